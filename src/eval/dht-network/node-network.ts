/**
 * Role: a network of DHT nodes in several processes on loopback, of one kind, and GETs from all over it.
 *
 * Invariants: the first node of the first process is the one that all others start from; nothing of it outlives `end`.
 *
 * Not here: the nodes (sim/dht-host.ts, hyperdht-host.ts).
 */

import { fileURLToPath } from 'node:url';
import type { NodeEndpoint, StartAnswer, StoredKey } from './host-messages.js';
import { HostProcess } from './host-process.js';

/** Whose nodes. */
export type NodeKind = 'ours' | 'hyperdht';

const PROGRAMS: Readonly<Record<NodeKind, string>> = {
  ours: fileURLToPath(new URL('../sim/dht-host.js', import.meta.url)),
  hyperdht: fileURLToPath(new URL('./hyperdht-host.js', import.meta.url)),
};

export interface GetRound {
  /** One for each GET: milliseconds to the first value that holds, or null where none came. */
  readonly milliseconds: readonly (number | null)[];
  /** From the first GET to the end of the last search. */
  readonly wallMs: number;
}

export class NodeNetwork {
  readonly #hosts: HostProcess[] = [];
  #living: HostProcess[] = [];
  #keys: StoredKey[] = [];

  private constructor() {}

  /** Starts `hosts` processes of `nodesEach` nodes; resolves when all have joined. */
  static async start(
    kind: NodeKind,
    size: { readonly hosts: number; readonly nodesEach: number },
    options: { readonly collectable?: boolean } = {},
  ): Promise<NodeNetwork> {
    const network = new NodeNetwork();
    let bootstrap: NodeEndpoint | null = null;
    for (let index = 0; index < size.hosts; index++) {
      const host = new HostProcess(PROGRAMS[kind], options);
      network.#hosts.push(host);
      const first = index * size.nodesEach;
      const started: StartAnswer = await host.ask({
        kind: 'start',
        first,
        count: size.nodesEach,
        bootstrap,
      });
      bootstrap ??= started.endpoint;
      network.bytesBefore += started.bytesBefore;
    }
    network.#living = [...network.#hosts];
    return network;
  }

  /** Resident memory of all processes before they had nodes. */
  bytesBefore = 0;

  /** Puts `count` values of `valueBytes`, from all processes. */
  async put(count: number, valueBytes: number, replication: number): Promise<void> {
    const each = Math.ceil(count / this.#living.length);
    for (const host of this.#living) {
      const { keys } = await host.ask({ kind: 'put', count: each, valueBytes, replication });
      this.#keys.push(...keys);
    }
    this.#keys = this.#keys.slice(0, count);
  }

  /** `count` GETs of keys chosen by chance, one at a time in the whole network, from all processes in turn. */
  async getsInTurn(count: number): Promise<GetRound> {
    const started = performance.now();
    const milliseconds: (number | null)[] = [];
    for (const [index, host] of this.#living.entries()) {
      const share = Math.floor(((index + 1) * count) / this.#living.length) - milliseconds.length;
      const answer = await host.ask({ kind: 'get', keys: this.#randomKeys(share), atOnce: 1 });
      milliseconds.push(...answer.milliseconds);
    }
    return { milliseconds, wallMs: performance.now() - started };
  }

  /** `count` GETs of keys chosen by chance, `atOnce` at a time in the whole network; both multiples of the processes. */
  async getsAtOnce(count: number, atOnce: number): Promise<GetRound> {
    const each = { keys: count / this.#living.length, atOnce: atOnce / this.#living.length };
    const started = performance.now();
    const answers = await Promise.all(
      this.#living.map((host) =>
        host.ask({ kind: 'get', keys: this.#randomKeys(each.keys), atOnce: each.atOnce }),
      ),
    );
    const wallMs = performance.now() - started;
    return { milliseconds: answers.flatMap((answer) => [...answer.milliseconds]), wallMs };
  }

  /** Resident bytes of all processes after a collection. */
  async residentBytes(): Promise<number> {
    const answers = await Promise.all(this.#living.map((host) => host.ask({ kind: 'memory' })));
    return answers.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
  }

  /** Stops every other process, the one with the first node among them; they stay in everybody's tables. */
  freezeHalf(): void {
    for (const [index, host] of this.#hosts.entries()) if (index % 2 === 0) host.freeze();
    this.#living = this.#hosts.filter((_, index) => index % 2 === 1);
  }

  end(): void {
    for (const host of this.#hosts) host.end();
  }

  #randomKeys(count: number): StoredKey[] {
    return Array.from(
      { length: count },
      () => this.#keys[Math.floor(Math.random() * this.#keys.length)] as StoredKey,
    );
  }
}
