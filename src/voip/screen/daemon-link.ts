/**
 * Role: the screen's connection to the VoIP module: events and snapshots in, requests out; made again when it is lost.
 *
 * Invariants: every text that it gives on is safe for a terminal; a module that goes away is told once and looked for
 * until it is back; a file that cannot be read is told and hides nothing else.
 *
 * Not here: what is made of it (screen-state.ts), the protocol (api/control-client.ts).
 */

import { ControlClient } from '../../api/control-client.js';
import { PeerError } from '../../errors.js';
import type { CallView } from '../call.js';
import type { LoggedCall } from '../call-log.js';
import type { Contact } from '../contacts.js';
import type { Request } from './keys.js';
import { safeText, safeValue } from './safe-text.js';
import type { Action, IdentityView, StatisticsEvent } from './screen-state.js';

const LOOK_AGAIN_MS = 1_000;
/** What no event tells is seen within this: removed identities, contacts, the call log. */
const SNAPSHOT_EVERY_MS = 2_000;
/** A hang-up answers when voice and tunnel are gone. */
const REQUEST_MS = 30_000;

export interface DaemonLinkOptions {
  /** Of the control socket. */
  readonly path: string;
  /** How to start the module, for a person. */
  readonly remedy: string;
  readonly contacts: () => Promise<readonly Contact[]>;
  readonly callLog: () => Promise<readonly LoggedCall[]>;
  readonly dispatch: (action: Action) => void;
}

interface VoipStatus {
  readonly state?: {
    readonly identities?: readonly IdentityView[];
    readonly calls?: readonly CallView[];
    readonly call?: CallView | null;
  };
}

export class DaemonLink {
  /** Settles when the link has been stopped. */
  readonly done: Promise<void>;
  readonly #options: DaemonLinkOptions;
  readonly #stopping = new AbortController();
  #client: ControlClient | null = null;

  constructor(options: DaemonLinkOptions) {
    this.#options = options;
    this.done = this.#run();
  }

  /** What goes wrong is dispatched as a notice. */
  async request({ verb, args }: Request): Promise<void> {
    try {
      if (this.#client === null) throw new PeerError('not-running', 'the VoIP module is not there just now');
      await this.#client.request(verb, args, { timeoutMs: REQUEST_MS });
    } catch (error) {
      this.#options.dispatch({ type: 'notice', text: textOf(error) });
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.#client?.close();
  }

  async #run(): Promise<void> {
    const { dispatch, remedy } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        const isGone = error.code === 'not-running' || error.code === 'control-closed';
        const text = isGone ? `the VoIP module of this peer is not running; ${remedy}` : textOf(error);
        if (!this.#stopping.signal.aborted) dispatch({ type: 'away', text });
      } finally {
        this.#client?.close();
        this.#client = null;
      }
      await this.#pause(LOOK_AGAIN_MS);
    }
  }

  /** Ends by an error when the module is gone or does not answer. */
  async #session(): Promise<void> {
    const client = await ControlClient.connect(this.#options.path);
    this.#client = client;
    client.onEvent = (event, data) => this.#onEvent(event, safeValue(data));
    await client.request('subscribe');
    while (!this.#stopping.signal.aborted) {
      await this.#snapshot(client);
      await Promise.race([client.closed, this.#pause(SNAPSHOT_EVERY_MS)]);
    }
  }

  async #snapshot(client: ControlClient): Promise<void> {
    const { dispatch, contacts, callLog } = this.#options;
    const [known, logged] = await Promise.all([this.#read(contacts), this.#read(callLog)]);
    const { state } = safeValue((await client.request('status')) as VoipStatus);
    const call = state?.call ?? null;
    dispatch({
      type: 'snapshot',
      identities: (state?.identities ?? []).map(({ name, id, state }) => ({ name, id, state })),
      calls: state?.calls ?? [],
      last: call?.state === 'ended' ? call : null,
      contacts: safeValue(known),
      missed: missedOf(safeValue(logged)),
    });
  }

  #onEvent(event: string, data: unknown): void {
    const { dispatch } = this.#options;
    if (event === 'call') dispatch({ type: 'call', call: data as CallView });
    if (event === 'identity') {
      const { name, id, state } = data as IdentityView;
      dispatch({ type: 'identity', identity: { name, id, state } });
    }
    if (event === 'statistics') dispatch({ type: 'statistics', statistics: data as StatisticsEvent });
  }

  async #read<Entry>(file: () => Promise<readonly Entry[]>): Promise<readonly Entry[]> {
    try {
      return await file();
    } catch (error) {
      this.#options.dispatch({ type: 'notice', text: textOf(error) });
      return [];
    }
  }

  /** Ends early where the link is stopped. */
  #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener('abort', end);
      function end() {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      }
    });
  }
}

/** Missed calls of those with whom there was no other call since, newest first. */
export function missedOf(calls: readonly LoggedCall[]): LoggedCall[] {
  return calls
    .filter(({ missed, remote }, index) => {
      const later = calls.slice(index + 1).filter((call) => call.remote === remote);
      return missed && later.every((call) => call.missed);
    })
    .reverse();
}

function textOf(error: unknown): string {
  const remedy = error instanceof PeerError && error.remedy !== undefined ? `; ${error.remedy}` : '';
  return safeText(`${error instanceof Error ? error.message : String(error)}${remedy}`);
}
