/**
 * Role: the telephone: the calls that there are, who may ring, what a person does with them.
 *
 * Invariants: one call speaks at a time, the others ring or are on hold; an incoming call exists only after its caller has
 * proven its pseudo-identity; what one pseudo-identity does is not told to callers of another one; two who call each
 * other at once have one call.
 *
 * Not here: the ports that callers come in by (entrances.ts), the way to somebody (dialler.ts), one call's course
 * (conversation.ts).
 */

import { randomBytes } from 'node:crypto';
import { PeerError } from '../errors.js';
import { formatPseudoIdentity, type PseudoIdentity } from '../identity/pseudo-identity.js';
import type { NamedPseudoIdentity } from '../identity/pseudo-identity-store.js';
import { Call, type CallView, type Direction } from './call.js';
import type { Ringing, Verdict } from './caller-rules.js';
import type { ControlConnection } from './control-connection.js';
import type { FirstMessage } from './control-message.js';
import { Conversation, type ConversationStatistics } from './conversation.js';
import { DialFailure, type Dialled } from './dialler.js';
import { QuietRinging } from './quiet-ringing.js';
import type { Caller, TelephoneOptions } from './telephone-options.js';

/** Calls that there can be at once: one that speaks, and one that waits or is on hold. */
const MAX_CALLS = 2;
const CALL_KEY_BYTES = 16;
/** Somebody who calls a party that has called it and been answered so shortly before had dialled at the same time. */
const CROSSING_MS = 10_000;

/** A call with the parties whose it is. */
interface Line {
  readonly call: Call;
  readonly local: Buffer;
  readonly remote: Buffer;
  conversation: Conversation | null;
  /** Breaks off the dialling. */
  dialling: AbortController | null;
  hasSpoken: boolean;
  /** What must come to its end with the call: voice that closes, a tunnel that is freed. */
  readonly endings: Set<Promise<void>>;
}

export class Telephone {
  readonly counters = { incoming: 0, outgoing: 0, busy: 0, quiet: 0, crossed: 0 };
  readonly #options: TelephoneOptions;
  readonly #quiet: QuietRinging;
  /** Those that are not over, oldest first. */
  readonly #lines = new Set<Line>();
  /** The newest one that is over. */
  #last: Call | null = null;
  /** The same of all calls. */
  readonly #endings = new Set<Promise<void>>();
  #nextId = 1;
  #closed = false;

  constructor(options: TelephoneOptions) {
    this.#options = options;
    this.#quiet = new QuietRinging(options);
  }

  /** The call that a person means who names none: that which speaks, else rings or is dialled, else is held, else the last. */
  get call(): CallView | null {
    return (this.#meant() ?? this.#last)?.view() ?? null;
  }

  /** All calls that are not over. */
  get calls(): readonly CallView[] {
    return [...this.#lines].map(({ call }) => call.view());
  }

  /** Of the call that speaks, else of one on hold. */
  statistics(): ({ readonly call: number } & ConversationStatistics) | null {
    const line = this.#find((call) => call.isSpeaking) ?? this.#find(({ state }) => state.kind === 'active');
    const statistics = line?.conversation?.statistics();
    return line === undefined || statistics === undefined ? null : { call: line.call.id, ...statistics };
  }

  /** The call with this number, or the one that a person means. Errors: 'call-none'. */
  pick(id?: number): CallView {
    return this.#pick(id, () => true).call.view();
  }

  /** Begins a call; one that speaks is put on hold. Errors: 'call-busy', 'call-self', 'identity-missing'. */
  dial(remote: Buffer, contact: string | undefined, from: string | undefined): CallView {
    if (this.#closed) throw new PeerError('call-none', 'the VoIP module is ending');
    const there = this.#there();
    if (there.length >= MAX_CALLS || there.some((line) => line.remote.equals(remote))) {
      throw new PeerError('call-busy', 'there is a call already', {
        remedy: 'hang up first: peer voip hangup',
      });
    }
    if (this.#options.identities().some(({ publicKey }) => publicKey.equals(remote))) {
      throw new PeerError('call-self', 'this is a pseudo-identity of your own', {
        remedy: 'call another peer: peer contact list shows whom you know',
      });
    }
    const local = this.#localIdentity(from);
    this.#holdOthers(null);
    this.counters.outgoing += 1;
    const line = this.#newLine('outgoing', local, remote, contact);
    this.#track(line, this.#run(line, local));
    return line.call.view();
  }

  /** Somebody who is at the door. */
  async welcome({ connection, first, localPort }: Caller): Promise<void> {
    if (first.type === 'resume') return this.#resume(connection, first);
    const { remote } = connection;
    const local = this.#options.identities().find(({ publicKey }) => publicKey.equals(connection.local));
    const contact = await this.#nameOf(remote);
    if (this.#closed) return connection.end();
    this.#quiet.leave(connection);
    // Of a fake call, which strangers find as anybody else whom nobody answers.
    if (local === undefined) return this.#quiet.take(connection, first.call, first.voicePort);
    const crossing = this.#between(connection, 'outgoing');
    if (crossing !== undefined && (crossing.call.view().talkedMs ?? 0) < CROSSING_MS)
      return this.#cross(crossing, { connection, first, localPort });
    // Whoever calls anew has given up what was before.
    this.#between(connection, 'incoming')?.conversation?.hangUp();
    const verdict = await this.#judge({ local: local.name, remote, isContact: contact !== undefined });
    if (this.#closed) return connection.end();
    const there = this.#there();
    const isFull = there.length >= MAX_CALLS;
    const isOfSameIdentity = there.some((line) => line.local.equals(connection.local));
    if (verdict !== 'ring' || (isFull && !isOfSameIdentity)) {
      this.counters.quiet += 1;
      const missed = { remote: formatPseudoIdentity(remote), contact, identity: local.name };
      if (verdict !== 'ignored') this.#options.onMissed(missed);
      this.#quiet.take(connection, first.call, first.voicePort);
      return;
    }
    if (isFull) {
      this.counters.busy += 1;
      connection.send({ type: 'busy' });
      connection.end();
      return;
    }
    this.counters.incoming += 1;
    const isOnly = there.length === 0;
    const line = this.#newLine('incoming', local, remote, contact);
    const conversation = this.#converse(line, connection, first.call, localPort, null);
    conversation.ring(first.voicePort);
    if (this.#options.autoAnswer && isOnly) conversation.accept();
  }

  /** Accepts the call that rings; one that speaks is put on hold. Errors: 'call-none', 'call-failed' (no port for voice). */
  accept(id?: number): CallView {
    const line = this.#pick(id, isRingingHere);
    if (line.conversation?.accept() !== true) {
      const why = line.call.state.kind === 'ended' ? line.call.state.detail : undefined;
      throw new PeerError('call-failed', `the call cannot be accepted: ${why ?? 'it is over'}`);
    }
    return line.call.view();
  }

  /** Errors: 'call-none'. */
  decline(id?: number): CallView {
    const line = this.#pick(id, isRingingHere);
    if (line.conversation?.decline() !== true) throw noCall();
    return line.call.view();
  }

  /** Ends a call and waits until voice and tunnel are gone too, in bounded time. Errors: 'call-none'. */
  async end(id?: number): Promise<CallView> {
    const { call, endings } = this.#hangUp(this.#pick(id, () => true));
    while (endings.size > 0) await Promise.all(endings);
    return call.view();
  }

  /** Errors: 'call-none'. */
  setMuted(muted: boolean, id?: number): CallView {
    const { call, conversation } = this.#pick(id, () => true);
    if (conversation === null) throw noCall();
    conversation.setMuted(muted);
    return call.view();
  }

  /** Puts a call on hold, or goes on with one, which puts the one that speaks on hold. Errors: 'call-none'. */
  setHeld(held: boolean, id?: number): CallView {
    const line = this.#pick(
      id,
      ({ state, conditions }) => state.kind === 'active' && conditions.held !== held,
    );
    if (line.conversation?.setHeld(held) !== true) throw noCall();
    return line.call.view();
  }

  /** For the calls that there are; what `openVoice` gives later is its own affair. */
  setDevice(device: 'input' | 'output', name: string | undefined): void {
    for (const { conversation } of this.#lines) conversation?.setDevice(device, name);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const line of this.#lines) this.#hangUp(line);
    this.#quiet.close();
    while (this.#endings.size > 0) await Promise.all(this.#endings);
  }

  async #run(line: Line, local: PseudoIdentity): Promise<void> {
    const { dial, log } = this.#options;
    const { call, remote } = line;
    const dialling = new AbortController();
    line.dialling = dialling;
    try {
      const { connection, again } = await dial(call, local, remote, dialling.signal);
      // Their call came through meanwhile, or a person hung up.
      if (dialling.signal.aborted) {
        connection.end();
        throw new DialFailure('hung-up');
      }
      line.dialling = null;
      this.#converse(line, connection, randomBytes(CALL_KEY_BYTES).toString('hex'), 0, again).invite();
    } catch (error) {
      if (line.dialling !== dialling) return;
      line.dialling = null;
      const failure = error instanceof DialFailure ? error : new DialFailure('failed', String(error), error);
      log.info({ reason: failure.reason, detail: failure.detail }, 'a call did not come about');
      const { reason, detail } = failure;
      call.go({ kind: 'ended', reason, ...(detail === undefined ? {} : { detail }) });
      await this.#leave(line);
    }
  }

  /** `voicePort`: the local UDP port; 0 lets the system choose. */
  #converse(
    line: Line,
    connection: ControlConnection,
    key: string,
    voicePort: number,
    reconnect: Dialled['again'] | null,
  ): Conversation {
    const { clock, openVoice, ringMs, log } = this.#options;
    let over: () => void = () => {};
    this.#track(
      line,
      new Promise((resolve) => {
        over = resolve;
      }),
    );
    const conversation = new Conversation({
      call: line.call,
      key,
      connection,
      clock,
      openVoice,
      voicePort,
      ringMs,
      reconnect,
      log,
      onOver: (abandoned) => {
        if (!abandoned) this.#track(line, this.#leave(line));
        over();
      },
    });
    line.conversation?.abandon();
    line.conversation = conversation;
    conversation.listen();
    return conversation;
  }

  /**
   * Both parties call each other: the call of the one whose pseudo-identity is the lower number comes through. It needs
   * no answer, as both want it.
   */
  #cross(line: Line, { connection, first, localPort }: Caller): void {
    this.counters.crossed += 1;
    // One that has just been answered came through already: their invitation was on its way.
    const isDone = line.call.state.kind === 'active';
    if (isDone || Buffer.compare(connection.local, connection.remote) < 0) {
      connection.send({ type: 'crossed' });
      connection.end();
      return;
    }
    line.dialling?.abort();
    line.dialling = null;
    this.#converse(line, connection, first.call, localPort, null).agree(first.voicePort);
  }

  #resume(connection: ControlConnection, first: FirstMessage): void {
    const line = this.#between(connection, 'incoming') ?? this.#between(connection, 'outgoing');
    const goesOn =
      line?.conversation?.key === first.call && line.conversation.resume(connection, first.voicePort);
    if (goesOn) return;
    connection.send({ type: 'hangup' });
    connection.end();
  }

  #hangUp(line: Line): Line {
    line.dialling?.abort();
    line.conversation?.hangUp();
    return line;
  }

  /** After the end of a call. */
  async #leave(line: Line): Promise<void> {
    this.#lines.delete(line);
    this.#last = line.call;
    // Another call with the same party may use the tunnel.
    const isShared = [...this.#lines].some(
      ({ call, remote }) => call.direction === 'outgoing' && remote.equals(line.remote),
    );
    if (line.call.direction === 'outgoing' && !isShared) await this.#options.release(line.remote);
  }

  #between({ local, remote }: ControlConnection, direction: Direction): Line | undefined {
    return this.#there().find(
      (line) => line.call.direction === direction && line.local.equals(local) && line.remote.equals(remote),
    );
  }

  /** Without those whose end has begun. */
  #there(): Line[] {
    return [...this.#lines].filter(({ call, conversation }) => !call.isOver && conversation?.isOver !== true);
  }

  #holdOthers(call: Call | null): void {
    for (const other of this.#lines) {
      if (other.call !== call && other.call.isSpeaking) other.conversation?.setHeld(true);
    }
  }

  #meant(): Call | undefined {
    return (
      this.#find((call) => call.isSpeaking) ??
      this.#find(({ state }) => state.kind !== 'active') ??
      this.#find(() => true)
    )?.call;
  }

  #find(suits: (call: Call) => boolean): Line | undefined {
    return [...this.#lines].find(({ call }) => suits(call));
  }

  /** The call with this number, or the one that a person means. Errors: 'call-none'. */
  #pick(id: number | undefined, suits: (call: Call) => boolean): Line {
    const line =
      id === undefined
        ? (this.#find((call) => call.isSpeaking && suits(call)) ?? this.#find(suits))
        : this.#find((call) => call.id === id && suits(call));
    if (line === undefined) throw noCall();
    return line;
  }

  #track({ endings }: Line, ending: Promise<void>): void {
    for (const all of [endings, this.#endings]) {
      all.add(ending);
      void ending.finally(() => all.delete(ending));
    }
  }

  /** A damaged contacts file must not keep callers out. */
  async #nameOf(publicKey: Buffer): Promise<string | undefined> {
    try {
      return (await this.#options.contactOf(publicKey))?.name;
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a caller is shown without name');
      return undefined;
    }
  }

  /** A damaged file of rules keeps everybody out, and says so. */
  async #judge(ringing: Ringing): Promise<Verdict> {
    try {
      return await this.#options.judge(ringing);
    } catch (error) {
      this.#options.log.error({ err: error }, 'a caller was left to ring, as the rules cannot be read');
      return 'ignored';
    }
  }

  #newLine(
    direction: Direction,
    local: NamedPseudoIdentity,
    remote: Buffer,
    contact: string | undefined,
  ): Line {
    const call = new Call({
      id: this.#nextId,
      direction,
      remote: formatPseudoIdentity(remote),
      contact,
      identity: local.name,
      clock: this.#options.clock,
      onChange: (changed) => this.#changed(changed),
    });
    this.#nextId += 1;
    const line: Line = {
      call,
      local: local.publicKey,
      remote,
      conversation: null,
      dialling: null,
      hasSpoken: false,
      endings: new Set(),
    };
    this.#lines.add(line);
    return line;
  }

  #changed(call: Call): void {
    // However it came to speak: answered here or there, or taken off hold. Their answer takes nobody's microphone.
    const line = this.#find((one) => one === call);
    const isAnswer = line?.hasSpoken === false && call.direction === 'outgoing' && call.isSpeaking;
    if (line !== undefined && call.isSpeaking) line.hasSpoken = true;
    if (isAnswer && this.#find((one) => one !== call && one.isSpeaking)) line.conversation?.setHeld(true);
    else if (call.isSpeaking) this.#holdOthers(call);
    this.#options.onCall(call.view());
  }

  #localIdentity(from: string | undefined): NamedPseudoIdentity {
    const identities = this.#options.identities();
    const found = from === undefined ? identities[0] : identities.find(({ name }) => name === from);
    if (found !== undefined) return found;
    const what =
      from === undefined
        ? 'there is no pseudo-identity to call from'
        : `there is no pseudo-identity named ${from}`;
    throw new PeerError('identity-missing', what, { remedy: 'make one with: peer id new NAME -c FILE' });
  }
}

function isRingingHere({ direction, state }: Call): boolean {
  return direction === 'incoming' && state.kind === 'ringing';
}

function noCall(): PeerError {
  return new PeerError('call-none', 'there is no such call', {
    remedy: 'peer status shows what is going on',
  });
}
