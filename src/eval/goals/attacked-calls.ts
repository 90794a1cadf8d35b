/**
 * Role: people who go on telephoning: calls that last, and one short call after another, and how each of them goes.
 *
 * Invariants: nobody is in two calls at once; every wait has a limit.
 *
 * Not here: the peers, the attackers (attack-trials.ts).
 */

import { controlSocketPath } from '../../api/control.js';
import { ControlClient } from '../../api/control-client.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import type { TriedCall } from './attack-results.js';

const REGISTERED_MS = 240_000;
const PATIENCE_MS = 60_000;
const TALK_MS = 3_000;
const PAUSE_MS = 500;

/** What is used of the event `call` and of `status`. */
interface SeenCall {
  readonly id: number;
  readonly state: string;
  readonly reason?: string;
  readonly detail?: string;
}

export interface VoiceCount {
  readonly received: number;
  readonly lost: number;
}

export class Phone {
  readonly #control: ControlClient;
  readonly #waiting = new Set<(call: SeenCall) => void>();

  private constructor(
    readonly id: string,
    control: ControlClient,
  ) {
    this.#control = control;
    control.onEvent = (event, data) => {
      if (event === 'call') for (const hear of [...this.#waiting]) hear(data as SeenCall);
    };
  }

  /** Resolves once its pseudo-identity can be called. Errors: 'network-timeout'. */
  static async of(network: PeerNetwork, peer: NetworkPeer): Promise<Phone> {
    let id = '';
    const registered = ({ identities }: { identities: { id: string; state: string }[] }) => {
      id = identities[0]?.id ?? '';
      return identities[0]?.state === 'registered';
    };
    await network.waitFor(peer, 'voip', 'its registration', registered, REGISTERED_MS);
    const control = await ControlClient.connect(controlSocketPath(peer.config, 'voip'));
    await control.request('subscribe');
    return new Phone(id, control);
  }

  /** Dials a pseudo-identity and waits until the two can talk; the number of the call, and how it came about. */
  async call(to: string): Promise<{ readonly call: number | null; readonly tried: TriedCall }> {
    const begun = performance.now();
    let own: number | null = null;
    const early: SeenCall[] = [];
    let settle: (end: SeenCall | 'late' | 'refused') => void = () => {};
    const settled = new Promise<SeenCall | 'late' | 'refused'>((resolve) => {
      settle = resolve;
    });
    const hear = (call: SeenCall) => {
      if (own === null) early.push(call);
      else if (call.id === own && (call.state === 'active' || call.state === 'ended')) settle(call);
    };
    this.#waiting.add(hear);
    const timer = setTimeout(() => settle('late'), PATIENCE_MS);
    try {
      own = ((await this.#control.request('call', { to })) as SeenCall).id;
      for (const call of early) hear(call);
    } catch {
      settle('refused');
    }
    const end = await settled;
    clearTimeout(timer);
    this.#waiting.delete(hear);
    if (typeof end !== 'string' && end.state === 'active')
      return { call: own, tried: { connectedAfterMs: performance.now() - begun } };
    if (end === 'late') await this.hangUp(own);
    const reason = typeof end === 'string' ? end : `${end.reason ?? 'ended'} ${end.detail ?? ''}`.trim();
    return { call: null, tried: { connectedAfterMs: null, reason } };
  }

  async hangUp(call: number | null): Promise<void> {
    await this.#control
      .request('hangup', call === null ? {} : { call }, { timeoutMs: 20_000 })
      .catch(() => {});
  }

  /** Whether this call is going on, and can be heard. */
  async isTalking(call: number): Promise<boolean> {
    const { state } = (await this.#control.request('status')) as {
      state: { calls: (SeenCall & { interrupted: boolean })[] };
    };
    return state.calls.some(
      ({ id, state, interrupted }) => id === call && state === 'active' && !interrupted,
    );
  }

  /** Of the call that it is in; nothing where there is none. */
  async voice(): Promise<VoiceCount> {
    const { state } = (await this.#control.request('status')) as {
      state: { statistics: { voice: VoiceCount | null } | null };
    };
    const voice = state.statistics?.voice;
    return { received: voice?.received ?? 0, lost: voice?.lost ?? 0 };
  }

  close(): void {
    this.#control.close();
  }
}

/** A call that is to last. */
export class StandingCall {
  #call: number | null = null;
  #before: readonly VoiceCount[] = [];

  constructor(
    readonly caller: Phone,
    readonly callee: Phone,
  ) {}

  /** Dials if it is not going on, and counts what is heard from now on. Errors: what kept it from coming about. */
  async begin(): Promise<void> {
    if (this.#call === null || !(await this.caller.isTalking(this.#call))) {
      await this.caller.hangUp(this.#call);
      const { call, tried } = await this.caller.call(this.callee.id);
      if (call === null) throw new Error(`a call that is to last did not come about: ${tried.reason}`);
      this.#call = call;
    }
    this.#before = await this.#counts();
  }

  /** Hangs up and dials again: by other hops, perhaps. Errors: as of `begin`. */
  async again(): Promise<void> {
    await this.caller.hangUp(this.#call);
    this.#call = null;
    await this.begin();
  }

  /** Whether it is still the same call, and what both ends have heard since `begin`. */
  async end(): Promise<{ readonly kept: boolean; readonly voice: VoiceCount }> {
    const kept = this.#call !== null && (await this.caller.isTalking(this.#call));
    const voice = kept ? since(this.#before, await this.#counts()) : { received: 0, lost: 0 };
    return { kept, voice };
  }

  #counts(): Promise<VoiceCount[]> {
    return Promise.all([this.caller.voice(), this.callee.voice()]);
  }
}

/** One short call after another, until `over`. `to`: which pseudo-identity of the callee. */
export async function callAgainAndAgain(
  caller: Phone,
  callee: Phone,
  to: string,
  over: () => boolean,
): Promise<{ readonly calls: TriedCall[]; readonly voice: VoiceCount }> {
  const calls: TriedCall[] = [];
  const heard: VoiceCount[] = [];
  while (!over()) {
    const { call, tried } = await caller.call(to);
    calls.push(tried);
    if (call !== null) {
      await pause(TALK_MS);
      heard.push(await caller.voice(), await callee.voice());
      await caller.hangUp(call);
    }
    await pause(PAUSE_MS);
  }
  return { calls, voice: sum(heard) };
}

export function sum(counts: readonly VoiceCount[]): VoiceCount {
  return {
    received: counts.reduce((total, { received }) => total + received, 0),
    lost: counts.reduce((total, { lost }) => total + lost, 0),
  };
}

function since(before: readonly VoiceCount[], after: readonly VoiceCount[]): VoiceCount {
  const [old, now] = [sum(before), sum(after)];
  return { received: now.received - old.received, lost: now.lost - old.lost };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
