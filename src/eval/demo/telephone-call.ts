/**
 * Role: a call as a person makes it: `peer voip call` in one shell, `peer voip hangup` in another.
 *
 * Invariants: every wait has a limit; a call that ends before it is wanted to is an error with its reason.
 *
 * Not here: what is said in the call.
 */

import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PeerError } from '../../errors.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';

const ANSWER_MS = 120_000;
const HANG_UP_MS = 20_000;

/** What `peer voip call --json` prints, one line for each change. */
export interface CallView {
  readonly state: 'looking-up' | 'building' | 'connecting' | 'ringing' | 'active' | 'ended';
  readonly reason?: string;
  readonly detail?: string;
  readonly ringingAfterMs?: number;
  readonly answeredAfterMs?: number;
  readonly roundTripMs?: number;
  readonly lowestRoundTripMs?: number;
}

/** The part of VoiceStatistics (native/binding.d.ts) that is reported. */
export interface VoiceFigures {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly late: number;
  readonly concealed: number;
  readonly jitterMs: number;
  readonly bufferMs: number;
  readonly captureGaps: number;
  readonly realtime: boolean;
}

export class TelephoneCall {
  /** The latest state that the caller saw. */
  view: CallView = { state: 'looking-up' };
  readonly #network: PeerNetwork;
  readonly #caller: NetworkPeer;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  #onView: (view: CallView) => void = () => {};

  constructor(network: PeerNetwork, caller: NetworkPeer, callee: string) {
    this.#network = network;
    this.#caller = caller;
    const args = ['voip', 'call', callee, '--json', '-c', caller.config.file];
    this.#child = network.start(caller, 'call', args);
    this.#exit = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.stdout === null) throw new PeerError('call', 'no output of peer voip call');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const value = JSON.parse(line);
      this.view = value.error === undefined ? value : { state: 'ended', detail: value.error.message };
      this.#onView(this.view);
    });
  }

  /** Resolves when the other side has answered; `onState` is told of every state. Errors: 'call'. */
  async answered(onState: (view: CallView) => void): Promise<void> {
    const active = new Promise<void>((resolve, reject) => {
      const look = (view: CallView) => {
        onState(view);
        if (view.state === 'active') resolve();
        if (view.state === 'ended') reject(this.#failure('the call ended before it was answered'));
      };
      this.#onView = look;
      const over = () => reject(this.#failure('peer voip call ended'));
      void this.#exit.then(over);
      setTimeout(() => reject(this.#failure(`no answer in ${ANSWER_MS / 1000} s`)), ANSWER_MS).unref();
    });
    await active.finally(() => {
      this.#onView = () => {};
    });
  }

  /** Errors: 'call', if the call is not there any more or does not end. */
  async hangUp(): Promise<void> {
    if (this.view.state !== 'active') throw this.#failure('the call ended by itself');
    await this.#network.runPeer(this.#caller.host, ['voip', 'hangup', '-c', this.#caller.config.file]);
    const late = new Promise<'late'>((resolve) => setTimeout(resolve, HANG_UP_MS, 'late').unref());
    const code = await Promise.race([this.#exit, late]);
    if (code !== 0)
      throw this.#failure(`hung up, but peer voip call is ${code === 'late' ? 'still there' : code}`);
  }

  #failure(what: string): PeerError {
    const { state, reason, detail } = this.view;
    const told = [reason, detail].filter((it) => it !== undefined).join(', ');
    return new PeerError('call', `${what}; last state: ${state}${told === '' ? '' : ` (${told})`}`);
  }
}

/** What a side knows about the call. Errors: 'call' where it has none. */
export async function callFigures(
  network: PeerNetwork,
  peer: NetworkPeer,
): Promise<{ readonly view: CallView; readonly voice: VoiceFigures }> {
  type Status = { state: { call: CallView | null; statistics: { voice: VoiceFigures | null } | null } };
  const { state } = (await network.request(peer, 'voip', 'status')) as Status;
  const voice = state.statistics?.voice;
  if (state.call === null || voice === null || voice === undefined) {
    throw new PeerError('call', `${peer.host.name} has no call with voice any more`);
  }
  return { view: state.call, voice };
}
