/**
 * Role: the telephone: takes callers, dials, and holds the one call that there can be.
 *
 * Invariants: one call at a time, a second caller hears busy; an incoming call exists only after its caller has proven its
 * pseudo-identity.
 *
 * Not here: registration (registration.ts), the ports that callers come in by (entrances.ts), one call's course
 * (conversation.ts).
 */

import type { Config, VoipConfig } from '../config/config.js';
import { PeerError } from '../errors.js';
import { formatPseudoIdentity, type PseudoIdentity } from '../identity/pseudo-identity.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import type { Logger } from '../log.js';
import { Call, type CallView } from './call.js';
import type { Contacts } from './contacts.js';
import type { ControlChannel } from './control-channel.js';
import { Conversation, type ConversationStatistics } from './conversation.js';
import { DialFailure, type DialOptions, dial } from './dialler.js';
import type { Caller } from './entrance.js';
import { Entrances } from './entrances.js';

export interface TelephoneOptions {
  readonly config: Config & { readonly voip: VoipConfig };
  readonly localAddress: string;
  readonly dialOptions: Omit<DialOptions, 'localAddress'>;
  readonly contacts: Contacts;
  readonly identities: () => readonly NamedPseudoIdentity[];
  readonly autoAnswer: boolean;
  readonly log: Logger;
  readonly onCall: (call: CallView) => void;
  /** Callers of this pseudo-identity come in by another port from now on. */
  readonly onMoved: (publicKey: Buffer) => void;
}

export class Telephone {
  readonly counters = { incoming: 0, outgoing: 0, refusedStrangers: 0, busy: 0 };
  readonly #options: TelephoneOptions;
  readonly #entrances: Entrances;
  #call: Call | null = null;
  #conversation: Conversation | null = null;
  #dialling: AbortController | null = null;
  /** What goes on after a call has ended: voice that closes, tunnels that are freed. */
  readonly #endings = new Set<Promise<void>>();
  #nextId = 1;
  #closed = false;

  constructor(options: TelephoneOptions) {
    this.#options = options;
    this.#entrances = new Entrances({
      apart: options.dialOptions.extensions,
      address: options.localAddress,
      port: options.config.voip.port,
      onCaller: (caller) => this.#welcome(caller),
      onRefused: () => {
        this.counters.refusedStrangers += 1;
      },
      onMoved: options.onMoved,
      log: options.log,
    });
    this.serve(options.identities());
  }

  get call(): CallView | null {
    return this.#call?.view() ?? null;
  }

  get listening(): boolean {
    return this.#entrances.listening;
  }

  /** From now on these pseudo-identities can be called. */
  serve(identities: readonly PseudoIdentity[]): void {
    if (!this.#closed) this.#entrances.serve(identities);
  }

  /** Where callers of a pseudo-identity come in; `null` where it cannot be called. */
  portOf(publicKey: Buffer): number | null {
    return this.#entrances.portOf(publicKey);
  }

  statistics(): ConversationStatistics | null {
    return this.#conversation?.statistics() ?? null;
  }

  /** Begins a call. Errors: 'call-busy', 'call-self', 'identity-missing'. */
  dial(remote: Buffer, contact: string | undefined, from: string | undefined): CallView {
    if (this.#closed) throw new PeerError('call-none', 'the VoIP module is ending');
    if (this.#isBusy()) {
      throw new PeerError('call-busy', 'there is a call already', {
        remedy: 'hang up first: peer voip hangup',
      });
    }
    // It could only hear busy, and its outgoing tunnel could not be freed without the incoming one.
    if (this.#options.identities().some(({ publicKey }) => publicKey.equals(remote))) {
      throw new PeerError('call-self', 'this is a pseudo-identity of your own', {
        remedy: 'call another peer: peer contact list shows whom you know',
      });
    }
    const local = this.#localIdentity(from);
    this.counters.outgoing += 1;
    const call = this.#newCall('outgoing', remote, contact);
    this.#track(this.#run(call, local, remote));
    return call.view();
  }

  /** Errors: 'call-none'. */
  accept(): CallView {
    return this.#act((conversation) => conversation.accept());
  }

  /** Errors: 'call-none'. */
  decline(): CallView {
    return this.#act((conversation) => conversation.decline());
  }

  /** Errors: 'call-none'. */
  hangUp(): CallView {
    if (this.#call === null || !this.#isBusy()) throw noCall();
    this.#dialling?.abort();
    this.#conversation?.hangUp();
    return this.#call.view();
  }

  /** Hangs up and waits until voice and tunnel are gone too, in bounded time. Errors: 'call-none'. */
  async end(): Promise<CallView> {
    const call = this.#call;
    const view = this.hangUp();
    await Promise.all(this.#endings);
    return call?.view() ?? view;
  }

  /** Errors: 'call-none'. */
  setMuted(muted: boolean): CallView {
    return this.#act((conversation) => {
      conversation.setMuted(muted);
      return true;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#isBusy()) this.hangUp();
    const unbound = this.#entrances.close();
    while (this.#endings.size > 0) await Promise.all(this.#endings);
    await unbound;
  }

  async #run(call: Call, local: PseudoIdentity, remote: Buffer): Promise<void> {
    const { dialOptions, localAddress, log } = this.#options;
    const dialling = new AbortController();
    this.#dialling = dialling;
    try {
      const channel = await dial(call, local, remote, { ...dialOptions, localAddress }, dialling.signal);
      this.#dialling = null;
      this.#converse(call, channel, 0).invite();
    } catch (error) {
      const failure = error instanceof DialFailure ? error : new DialFailure('failed', String(error), error);
      log.info({ reason: failure.reason, detail: failure.detail }, 'a call did not come about');
      const { reason, detail } = failure;
      // The next call may begin at once and brings a controller of its own.
      this.#dialling = null;
      call.go({ kind: 'ended', reason, ...(detail === undefined ? {} : { detail }) });
      await this.#releaseTunnel(remote);
    }
  }

  /** `voicePort`: the local UDP port; 0 lets the system choose. */
  #converse(call: Call, channel: ControlChannel, voicePort: number): Conversation {
    const { config, localAddress, log } = this.#options;
    let over: () => void = () => {};
    this.#track(
      new Promise((resolve) => {
        over = resolve;
      }),
    );
    const conversation = new Conversation({
      call,
      channel,
      config: config.voip,
      localAddress,
      voicePort,
      log,
      onOver: () => {
        if (this.#conversation === conversation) this.#conversation = null;
        if (call.direction === 'outgoing') this.#track(this.#releaseTunnel(channel.remote));
        over();
      },
    });
    this.#conversation = conversation;
    conversation.listen();
    return conversation;
  }

  /** Frees the outgoing tunnel; one of our own pseudo-identities keeps its incoming one. */
  async #releaseTunnel(remote: Buffer): Promise<void> {
    if (this.#options.identities().some(({ publicKey }) => publicKey.equals(remote))) return;
    const client = await this.#options.dialOptions.kx.get().catch(() => null);
    // Where the KX was away for a while, the next call to the same party may use a tunnel by now.
    if (this.#isBusy() && this.#call?.remote === formatPseudoIdentity(remote)) return;
    client?.destroy(remote);
  }

  #track(ending: Promise<void>): void {
    this.#endings.add(ending);
    void ending.finally(() => this.#endings.delete(ending));
  }

  async #welcome({ channel, voicePort, localPort }: Caller): Promise<void> {
    const contact = await this.#nameOf(channel.remote);
    if (this.#closed) return channel.end();
    if (this.#isBusy()) {
      this.counters.busy += 1;
      channel.send({ type: 'busy' });
      channel.end();
      return;
    }
    this.counters.incoming += 1;
    const conversation = this.#converse(
      this.#newCall('incoming', channel.remote, contact),
      channel,
      localPort,
    );
    conversation.ring(voicePort);
    if (this.#options.autoAnswer) conversation.accept();
  }

  /** A damaged contacts file must not keep callers out. */
  async #nameOf(publicKey: Buffer): Promise<string | undefined> {
    try {
      return await this.#options.contacts.nameOf(publicKey);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a caller is shown without name');
      return undefined;
    }
  }

  #newCall(direction: 'incoming' | 'outgoing', remote: Buffer, contact: string | undefined): Call {
    const call = new Call({
      id: this.#nextId,
      direction,
      remote: formatPseudoIdentity(remote),
      contact,
      onChange: (changed) => this.#options.onCall(changed.view()),
    });
    this.#nextId += 1;
    this.#call = call;
    return call;
  }

  #localIdentity(from: string | undefined): PseudoIdentity {
    const identities = this.#options.identities();
    const found = from === undefined ? identities[0] : identities.find(({ name }) => name === from);
    if (found !== undefined) return found;
    const what =
      from === undefined
        ? 'there is no pseudo-identity to call from'
        : `there is no pseudo-identity named ${from}`;
    throw new PeerError('identity-missing', what, { remedy: 'make one with: peer id new NAME -c FILE' });
  }

  #isBusy(): boolean {
    return this.#call !== null && this.#call.state.kind !== 'ended';
  }

  #act(action: (conversation: Conversation) => boolean): CallView {
    if (this.#conversation === null || this.#call === null || !action(this.#conversation)) throw noCall();
    return this.#call.view();
  }
}

function noCall(): PeerError {
  return new PeerError('call-none', 'there is no such call', {
    remedy: 'peer status shows what is going on',
  });
}
