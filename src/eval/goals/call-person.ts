/**
 * Role: somebody who uses a peer's telephone by the command line, and what the peer says of its calls.
 *
 * Invariants: every verb is a `peer` process of its own; every wait has a limit and says what was there instead.
 *
 * Not here: what is done in which order (states-by-*.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PeerError } from '../../errors.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';

const PATIENCE_MS = 60_000;

/** What is looked at of a call, as `--json` prints it and `status` tells it. */
export interface CallView {
  readonly id: number;
  readonly direction: 'incoming' | 'outgoing';
  readonly state: string;
  readonly contact?: string;
  readonly muted: boolean;
  readonly held: boolean;
  readonly heldByRemote: boolean;
  readonly interrupted: boolean;
  readonly words?: string;
  readonly reason?: string;
}

/** What `status` tells of the telephone. */
export interface PhoneState {
  /** The one that is meant, also when it is over. */
  readonly call: CallView | null;
  /** Those that are not over. */
  readonly calls: readonly CallView[];
}

export class CallPerson {
  readonly peer: NetworkPeer;
  readonly network: PeerNetwork;
  /** Text of the pseudo-identity. */
  readonly id: string;

  constructor(network: PeerNetwork, peer: NetworkPeer, id: string) {
    this.network = network;
    this.peer = peer;
    this.id = id;
  }

  get name(): string {
    return this.peer.host.name;
  }

  /** `peer voip VERB … --json`. Errors: 'peer-command'. */
  async verb(...args: readonly string[]): Promise<unknown> {
    const { host, config } = this.peer;
    return JSON.parse(await this.network.runPeer(host, ['voip', ...args, '--json', '-c', config.file]));
  }

  /** `peer voip call WHO --json`, followed. */
  call(who: string): FollowedCall {
    const args = ['voip', 'call', who, '--json', '-c', this.peer.config.file];
    return new FollowedCall(this.name, this.network.start(this.peer, 'call', args));
  }

  /** Waits until the telephone is so. Errors: 'network-timeout'. */
  async until(what: string, isSo: (state: PhoneState) => boolean): Promise<PhoneState> {
    let seen: PhoneState = { call: null, calls: [] };
    await this.network.waitFor(this.peer, 'voip', what, (state) => {
      seen = state;
      return isSo(state);
    });
    return seen;
  }

  /** Waits until there is one call alone, in this state. */
  async untilOnly(state: string, more: Partial<CallView> = {}): Promise<CallView> {
    const wanted = { state, ...more };
    const { calls } = await this.until(
      `one call with ${JSON.stringify(wanted)}`,
      ({ calls }) => calls.length === 1 && has(calls[0], wanted),
    );
    return calls[0] as CallView;
  }

  /** Waits until there is no call, and the last one ended so. */
  async untilOver(reason: string): Promise<void> {
    await this.until(
      `no call, the last one ${reason}`,
      ({ call, calls }) => calls.length === 0 && has(call, { state: 'ended', reason }),
    );
  }
}

export class FollowedCall {
  /** Each state that was told, once for each change. */
  readonly states: string[] = [];
  readonly exit: Promise<number | null>;
  /** The latest that was told. */
  view: (CallView & { readonly error?: { readonly code: string } }) | null = null;
  readonly #child: ChildProcess;
  readonly #who: string;
  #onLine: () => void = () => {};

  constructor(who: string, child: ChildProcess) {
    this.#who = who;
    this.#child = child;
    this.exit = once(child, 'exit').then(([code]) => code);
    if (child.stdout === null) throw new PeerError('call', 'no output of peer voip call');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.view = JSON.parse(line);
      const state = this.view?.state ?? 'error';
      if (this.states.at(-1) !== state) this.states.push(state);
      this.#onLine();
    });
  }

  /** Waits for a line that is so. Errors: 'call'. */
  async until(wanted: Partial<CallView>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const fail = () =>
        reject(
          new PeerError(
            'call',
            `${this.#who}: no line with ${JSON.stringify(wanted)}; last: ${JSON.stringify(this.view)}`,
          ),
        );
      const timer = setTimeout(fail, PATIENCE_MS);
      this.#onLine = () => {
        if (!has(this.view, wanted)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onLine();
    }).finally(() => {
      this.#onLine = () => {};
    });
  }

  /** Waits for the end of the call and of the command. Errors: 'call'. */
  async untilEnded(reason: string, code: number): Promise<void> {
    await this.until({ state: 'ended', reason });
    const ended = await this.exit;
    if (ended !== code) throw new PeerError('call', `${this.#who}: peer voip call ended with ${ended}`);
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#child.kill('SIGINT');
  }
}

function has(view: CallView | null | undefined, wanted: Partial<CallView>): boolean {
  if (view === null || view === undefined) return false;
  return Object.entries(wanted).every(([key, value]) => view[key as keyof CallView] === value);
}
