/**
 * Requests and answers between nodes over datagrams: one round trip, also with a stranger.
 *
 * Invariants: a request to a peer without session rides in a handshake; answers count only from the peer that was
 * asked, proven by key and certificate; a stranger never gets more bytes than it sent; stores are accepted in
 * sessions only; every table is bounded; no exception leaves `handleDatagram`.
 * Not here: what requests mean (node.ts), the streams for large contents (bulk.ts), hellos (hello.ts).
 */
import { sameEndpoint, sourceKey } from './address.js';
import { BoundedMap } from './bounded-map.js';
import type { CertifiedKeys } from './certified-keys.js';
import { type Contact, contactEndpoint, heardFrom, type UnverifiedContact, withSource } from './contact.js';
import type { Counters } from './counters.js';
import {
  type Datagram,
  INITIATION_CAPACITY,
  initiationDatagram,
  RECEPTION_CAPACITY,
  receptionDatagram,
  SEALED_CAPACITY,
} from './datagram.js';
import type { Clock, DatagramTransport, Endpoint, Random, TimerHandle } from './environment.js';
import { decodeFirst, decodeSecond, encodeFirst, encodeSecond } from './handshake-payload.js';
import { RateLimit } from './rate-limit.js';
import type { RoundTrips } from './round-trip.js';
import {
  decodeRpc,
  encodeRpc,
  isRequest,
  needsSession,
  type RpcAnswer,
  type RpcRequest,
} from './rpc-message.js';
import { CERTIFICATE_BYTES, type Initiation, type SecureChannel } from './secure-channel.js';
import { type Session, SessionTable } from './session-table.js';

export type RpcFailure = 'timeout' | 'unreachable' | 'wrong-identity' | 'too-many' | 'closed';

export interface RpcCallbacks {
  /** @param inHandshake the answer came with a handshake, so it had little room */
  onAnswer(answer: RpcAnswer, inHandshake: boolean): void;
  onFailure(reason: RpcFailure): void;
}

export interface RpcOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: DatagramTransport;
  readonly channel: SecureChannel;
  readonly certified: CertifiedKeys;
  readonly counters: Counters;
  readonly roundTrips: RoundTrips;
  /** Our own contact as it is now. */
  readonly self: () => UnverifiedContact;
  /** Checks the position; null where it does not hold. */
  readonly verify: (contact: UnverifiedContact) => Contact | null;
  /** Answers within `budget` bytes, or null for no answer. */
  readonly onRequest: (
    from: Contact,
    inSession: boolean,
    request: RpcRequest,
    budget: number,
    endpoint: Endpoint,
  ) => RpcAnswer | null;
  /** A contact completed a round trip with us. */
  readonly onAlive: (contact: Contact) => void;
  /** A contact made a handshake with us; its address is unproven. */
  readonly onCaller: (contact: Contact) => void;
}

interface Pending {
  readonly requestId: number;
  readonly contact: Contact;
  readonly endpoint: Endpoint;
  readonly request: RpcRequest;
  readonly callbacks: RpcCallbacks;
  readonly attempts: number;
  /** Sent to where the peer was heard from, which proves nothing about the address it announces. */
  readonly back: boolean;
  readonly forOthers: boolean;
  readonly handshakes: number[];
  attempt: number;
  sentAtMs: number;
  timer: TimerHandle | null;
}

interface StartedHandshake {
  readonly initiation: Initiation;
  readonly pending: Pending;
  readonly holdsCertificate: boolean;
}

const MAX_PENDING = 4096;
/** Of these, what is done for others' onions. */
export const MAX_PENDING_FOR_OTHERS = 3072;
const MAX_HANDSHAKES = 2048;
const HANDSHAKES_PER_SECOND = 500;
const REQUESTS_PER_SECOND = 5_000;

export class Rpc {
  readonly sessions: SessionTable;
  readonly #o: RpcOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #handshakes = new BoundedMap<number, StartedHandshake>(MAX_HANDSHAKES);
  readonly #handshakeLimit = new RateLimit(HANDSHAKES_PER_SECOND, HANDSHAKES_PER_SECOND * 4);
  readonly #requestLimit = new RateLimit(REQUESTS_PER_SECOND, REQUESTS_PER_SECOND * 2);
  #pendingForOthers = 0;
  #closed = false;

  constructor(options: RpcOptions) {
    this.#o = options;
    const { channel, random, certified, clock } = options;
    this.sessions = new SessionTable(channel, random, certified.peers, clock.now());
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * Sends a request; exactly one of the callbacks is called, later.
   * @param attempts how often it is sent at most
   * @param via where the contact was heard from, instead of the address it announces
   * @param forOthers it is part of what we do for others' onions
   */
  request(
    contact: Contact,
    request: RpcRequest,
    callbacks: RpcCallbacks,
    attempts = 2,
    via: Endpoint | null = null,
    forOthers = false,
  ): void {
    const endpoint = via ?? contactEndpoint(contact, (family) => this.#o.transport.reaches(family));
    const full =
      this.#pending.size >= MAX_PENDING || (forOthers && this.#pendingForOthers >= MAX_PENDING_FOR_OTHERS);
    if (this.#closed || !endpoint || full) {
      const reason = this.#closed ? 'closed' : endpoint ? 'too-many' : 'unreachable';
      this.#o.clock.setTimer(0, () => callbacks.onFailure(reason));
      return;
    }
    let requestId = this.#o.random.bytes(4).readUInt32BE(0);
    while (this.#pending.has(requestId)) requestId = (requestId + 1) >>> 0;
    const pending: Pending = {
      requestId,
      contact,
      endpoint,
      request,
      callbacks,
      attempts,
      back: via !== null,
      forOthers,
      handshakes: [],
      attempt: 0,
      sentAtMs: 0,
      timer: null,
    };
    this.#pending.set(requestId, pending);
    if (forOthers) this.#pendingForOthers += 1;
    this.#o.counters.add('requestsSent');
    this.#transmit(pending);
  }

  /** Takes initiations, receptions and sealed datagrams. */
  handleDatagram(from: Endpoint, datagram: Datagram): void {
    if (this.#closed) return;
    if (datagram.type === 'initiation') this.#handleInitiation(from, datagram.session, datagram.handshake);
    else if (datagram.type === 'reception') this.#handleReception(datagram);
    else if (datagram.type === 'sealed') this.#handleSealed(from, datagram);
  }

  close(): void {
    this.#closed = true;
    for (const pending of [...this.#pending.values()]) this.#fail(pending, 'closed');
    this.#handshakes.clear();
  }

  #send(to: Endpoint, bytes: Buffer): void {
    this.#o.counters.add('datagramsOut');
    this.#o.counters.add('bytesOut', bytes.length);
    this.#o.transport.send(to, bytes);
  }

  #transmit(pending: Pending): void {
    const { clock, roundTrips } = this.#o;
    const now = clock.now();
    pending.sentAtMs = now;
    if (pending.timer) clock.clearTimer(pending.timer);
    const waitMs = roundTrips.timeoutMs(pending.contact.id, pending.attempt);
    pending.timer = clock.setTimer(waitMs, () => this.#timedOut(pending));
    // Where an attempt in a session stays silent, the peer may have forgotten the session: make a new one.
    const session = this.sessions.forPeer(pending.contact, pending.endpoint, now);
    if (session && pending.attempt === 0) this.#sendSealed(session, pending);
    else this.#sendInitiation(pending);
  }

  #sendSealed(session: Session, pending: Pending): void {
    const plaintext = encodeRpc({ requestId: pending.requestId, message: pending.request });
    this.#send(session.endpoint, this.sessions.seal(session, plaintext));
  }

  #sendInitiation(pending: Pending): void {
    const { channel, certified, clock, self, counters } = this.#o;
    const { contact, requestId } = pending;
    // A store waits for the confirmed session; the handshake carries a ping in its place.
    const message: RpcRequest = needsSession(pending.request) ? { kind: 'ping' } : pending.request;
    const holdsCertificate = certified.holds(contact, clock.now() / 1000);
    const payload = encodeFirst(
      {
        holdsCertificate,
        contact: self(),
        certificate: channel.certificate,
        request: encodeRpc({ requestId, message }),
      },
      INITIATION_CAPACITY,
    );
    const initiation = payload && channel.initiate('datagram', contact.key, payload);
    if (!initiation) {
      clock.setTimer(0, () => this.#fail(pending, 'unreachable'));
      return;
    }
    const localId = this.sessions.freeId();
    this.#handshakes.set(localId, { initiation, pending, holdsCertificate });
    pending.handshakes.push(localId);
    counters.add('handshakesStarted');
    this.#send(pending.endpoint, initiationDatagram(localId, initiation.message));
  }

  #timedOut(pending: Pending): void {
    pending.timer = null;
    const session = this.sessions.forPeer(pending.contact, pending.endpoint, this.#o.clock.now());
    if (session && this.sessions.createdAtMs(session) < pending.sentAtMs) this.sessions.retire(session);
    pending.attempt += 1;
    if (pending.attempt < pending.attempts) this.#transmit(pending);
    else this.#fail(pending, 'timeout');
  }

  #finish(pending: Pending): boolean {
    if (!this.#pending.delete(pending.requestId)) return false;
    if (pending.forOthers) this.#pendingForOthers -= 1;
    if (pending.timer) this.#o.clock.clearTimer(pending.timer);
    pending.timer = null;
    for (const localId of pending.handshakes) this.#handshakes.delete(localId);
    return true;
  }

  #fail(pending: Pending, reason: RpcFailure): void {
    if (!this.#finish(pending)) return;
    this.#o.counters.add('requestsFailed');
    pending.callbacks.onFailure(reason);
  }

  #succeed(pending: Pending, answer: RpcAnswer, inHandshake: boolean): void {
    if (!this.#finish(pending)) return;
    const { clock, roundTrips, counters, onAlive } = this.#o;
    if (pending.attempt === 0) roundTrips.sample(pending.contact, clock.now() - pending.sentAtMs);
    counters.add('requestsAnswered');
    if (!pending.back) onAlive(pending.contact);
    pending.callbacks.onAnswer(answer, inHandshake);
  }

  #handleInitiation(from: Endpoint, remoteId: number, handshake: Buffer): void {
    const { channel, certified, clock, counters, verify, onCaller } = this.#o;
    const now = clock.now();
    if (!this.#handshakeLimit.allow(sourceKey(from), now)) {
      counters.add('dropRateLimited');
      return;
    }
    const reception = channel.respond('datagram', handshake);
    const first = reception && decodeFirst(reception.payload);
    if (!reception || !first) {
      counters.add('dropHandshake');
      return;
    }
    const claimed = withSource(first.contact, from);
    const proven =
      claimed.key.equals(reception.remoteKey) && certified.proves(first.certificate, claimed, now / 1000);
    if (!proven) {
      counters.add('dropCertificate');
      return;
    }
    const contact = verify(claimed);
    if (!contact) {
      counters.add('dropPosition');
      return;
    }
    const framed = decodeRpc(first.request);
    if (!framed || !isRequest(framed.message)) {
      counters.add('dropMalformed');
      return;
    }

    const budget = RECEPTION_CAPACITY - 1 - (first.holdsCertificate ? 0 : CERTIFICATE_BYTES);
    const answer = this.#answer(contact, from, false, framed.requestId, framed.message, budget);
    if (!answer) return;
    const certificate = first.holdsCertificate ? null : channel.certificate;
    const { message, keys } = reception.reply(encodeSecond({ certificate, answer }));
    const localId = this.sessions.freeId();
    counters.add('handshakesServed');
    this.sessions.add({
      contact,
      endpoint: heardFrom(contact, from),
      localId,
      remoteId,
      keys,
      createdAtMs: now,
      confirmed: false,
    });
    this.#send(from, receptionDatagram(remoteId, localId, message));
    onCaller(contact);
  }

  #handleReception(datagram: Datagram & { type: 'reception' }): void {
    const { certified, clock, counters } = this.#o;
    const started = this.#handshakes.peek(datagram.to);
    if (!started) {
      counters.add('dropUnknownSession');
      return;
    }
    const { pending, holdsCertificate } = started;
    const { contact } = pending;
    const finished = started.initiation.finish(datagram.handshake);
    if (!finished) {
      // A Noise state that failed is dead. Only somebody on the path could have known the session id.
      this.#handshakes.delete(datagram.to);
      counters.add('dropHandshake');
      return;
    }
    this.#handshakes.delete(datagram.to);
    const second = decodeSecond(finished.payload);
    const framed = second && decodeRpc(second.answer);
    if (!second || !framed || isRequest(framed.message)) {
      counters.add('dropMalformed');
      return;
    }
    const now = clock.now();
    const proven =
      (holdsCertificate && certified.holds(contact, now / 1000)) ||
      (second.certificate !== null && certified.proves(second.certificate, contact, now / 1000));
    if (!proven) {
      counters.add('dropCertificate');
      this.#fail(pending, 'wrong-identity');
      return;
    }
    const session = this.sessions.add({
      contact,
      endpoint: pending.endpoint,
      localId: datagram.to,
      remoteId: datagram.session,
      keys: finished.keys,
      createdAtMs: now,
      confirmed: true,
    });
    if (needsSession(pending.request)) {
      if (this.#pending.has(pending.requestId)) this.#sendSealed(session, pending);
      return;
    }
    if (framed.requestId !== pending.requestId) {
      counters.add('dropUnknownAnswer');
      return;
    }
    this.#succeed(pending, framed.message, true);
  }

  #handleSealed(from: Endpoint, datagram: Datagram & { type: 'sealed' }): void {
    const { clock, counters } = this.#o;
    const opened = this.sessions.open(datagram, clock.now());
    if (opened === 'unknown-session') {
      counters.add('dropUnknownSession');
      return;
    }
    if (opened === 'replayed') {
      counters.add('dropReplayed');
      return;
    }
    if (opened === 'forged') {
      counters.add('dropForged');
      return;
    }
    const { session, plaintext } = opened;
    const framed = decodeRpc(plaintext);
    if (!framed) {
      counters.add('dropMalformed');
      return;
    }
    const { requestId, message } = framed;
    if (isRequest(message)) {
      // A session belongs to the endpoint that made it; elsewhere its answers would be somebody's flood.
      if (!sameEndpoint(from, session.endpoint)) {
        counters.add('dropForged');
        return;
      }
      if (!this.#requestLimit.allow(session.contact.id, clock.now())) {
        counters.add('dropRateLimited');
        return;
      }
      const answer = this.#answer(session.contact, from, true, requestId, message, SEALED_CAPACITY);
      if (answer) this.#send(session.endpoint, this.sessions.seal(session, answer));
      return;
    }
    const pending = this.#pending.get(requestId);
    if (pending?.contact.id !== session.contact.id) {
      counters.add('dropUnknownAnswer');
      return;
    }
    this.#succeed(pending, message, false);
  }

  #answer(
    from: Contact,
    endpoint: Endpoint,
    inSession: boolean,
    requestId: number,
    request: RpcRequest,
    budget: number,
  ): Buffer | null {
    const message = this.#o.onRequest(from, inSession, request, budget, endpoint);
    if (!message) return null;
    const encoded = encodeRpc({ requestId, message });
    if (encoded.length > budget) return null;
    this.#o.counters.add('requestsServed');
    return encoded;
  }
}
