/**
 * Role: hosts nodes of hyperdht in one process, on 127.0.0.1, as its own test networks do.
 *
 * The package is no dependency of this one: `scripts/setup --goals` puts it into .cache/hyperdht.
 *
 * Not here: what is measured (goals/).
 */

import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import type { NodeEndpoint, PutAnswer, PutRequest, StartAnswer, StoredKey } from './host-messages.js';
import { type HostedNodes, type RunningGet, serveHost } from './host-service.js';

interface HyperKeyPair {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}

/** The part of hyperdht 6 that is used here. */
interface HyperNode {
  fullyBootstrapped(): Promise<void>;
  address(): { readonly port: number };
  mutablePut(keyPair: HyperKeyPair, value: Buffer): Promise<unknown>;
  /** Rejects where nothing is found; checks the signature. */
  mutableGet(publicKey: Buffer, options: { readonly latest: boolean }): Promise<unknown>;
}

interface HyperDht {
  new (options: object): HyperNode;
  keyPair(seed?: Buffer): HyperKeyPair;
}

const HOST = '127.0.0.1';
const PUTS_AT_ONCE = 8;
const PACKAGE = new URL('../../../../.cache/hyperdht/package.json', import.meta.url);
const Hyper = createRequire(PACKAGE)('hyperdht') as HyperDht;

class HyperNodes implements HostedNodes {
  readonly #nodes: HyperNode[] = [];

  async start(request: { count: number; bootstrap: NodeEndpoint | null }): Promise<StartAnswer> {
    const bytesBefore = process.memoryUsage().rss;
    let bootstrap = request.bootstrap;
    while (this.#nodes.length < request.count) {
      const node = new Hyper({
        ...{ ephemeral: false, firewalled: false, host: HOST },
        bootstrap: bootstrap === null ? [] : [bootstrap],
      });
      await node.fullyBootstrapped();
      this.#nodes.push(node);
      bootstrap ??= { host: HOST, port: node.address().port };
    }
    const [first] = this.#nodes;
    if (first === undefined) throw new Error('no node was asked for');
    return { endpoint: { host: HOST, port: first.address().port }, bytesBefore };
  }

  /** It always replicates to the 20 nodes closest to a key. */
  async put({ count, valueBytes }: PutRequest): Promise<PutAnswer> {
    const keys: StoredKey[] = [];
    const work = async () => {
      while (keys.length < count) {
        const pair = Hyper.keyPair(randomBytes(32));
        keys.push({ key: pair.publicKey, signed: true });
        await this.#any().mutablePut(pair, randomBytes(valueBytes));
      }
    };
    await Promise.all(Array.from({ length: PUTS_AT_ONCE }, work));
    return { keys };
  }

  get({ key }: StoredKey): RunningGet {
    const first = this.#any()
      .mutableGet(Buffer.from(key), { latest: false })
      .then(
        () => true,
        () => false,
      );
    return { first, over: first.then(() => {}) };
  }

  #any(): HyperNode {
    return this.#nodes[Math.floor(Math.random() * this.#nodes.length)] as HyperNode;
  }
}

serveHost(new HyperNodes());
