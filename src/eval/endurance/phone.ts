/**
 * Role: a peer's telephone in the endurance run, by its control socket, and what is asked of it.
 *
 * Invariants: every wait has a limit and says what was there instead; a module that is started again meanwhile is asked anew.
 *
 * Not here: what is done in which order (scripts.ts).
 */

import { PeerError } from '../../errors.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';

const POLL_MS = 150;

export interface PhoneCall {
  readonly id: number;
  readonly direction: 'incoming' | 'outgoing';
  readonly remote: string;
  readonly state: string;
  readonly held: boolean;
  readonly heldByRemote: boolean;
  readonly interrupted: boolean;
  readonly reason?: string;
  readonly detail?: string;
}

export interface PhoneState {
  readonly identities: readonly { readonly id: string; readonly state: string }[];
  /** The one that is meant, also when it is over. */
  readonly call: PhoneCall | null;
  readonly calls: readonly PhoneCall[];
  readonly statistics: { readonly voice: { readonly received: number } | null } | null;
}

/** What is waited for cannot come any more. */
export class StepFailed extends PeerError {
  constructor(message: string) {
    super('endurance', message);
  }
}

export class Phone {
  constructor(
    readonly network: PeerNetwork,
    readonly peer: NetworkPeer,
    /** Text of the pseudo-identity. */
    readonly id: string,
  ) {}

  get name(): string {
    return this.peer.host.name;
  }

  request(verb: string, args?: unknown): Promise<unknown> {
    return this.network.request(this.peer, 'voip', verb, args);
  }

  /** Errors: 'endurance' while the module starts. */
  async state(): Promise<PhoneState> {
    const { state } = (await this.request('status')) as { state?: PhoneState };
    if (state === undefined) throw new PeerError('endurance', `${this.name}: the VoIP module is starting`);
    return state;
  }

  /** Waits until `find` finds something, or throws StepFailed. Errors: 'endurance', with what was there instead. */
  async until<T>(what: string, patienceMs: number, find: (state: PhoneState) => T | undefined): Promise<T> {
    const end = performance.now() + patienceMs;
    let seen: unknown;
    for (;;) {
      let found: T | undefined;
      try {
        const state = await this.state();
        seen = state.calls.length > 0 ? state.calls : state.call;
        found = find(state);
      } catch (error) {
        if (!(error instanceof PeerError) || error instanceof StepFailed) throw error;
        seen = error.message;
      }
      if (found !== undefined) return found;
      if (performance.now() > end)
        throw new PeerError('endurance', `${this.name}: not ${what}: ${JSON.stringify(seen)}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Ends whatever calls there are; false where some are still there after a minute. */
  async clear(): Promise<boolean> {
    const over = (state: PhoneState) => (state.calls.length === 0 ? true : undefined);
    const { calls } = await this.state().catch(() => ({ calls: [] }));
    for (const { id } of calls) await this.request('hangup', { call: id }).catch(() => {});
    return this.until('free', 60_000, over).catch(() => false);
  }
}
