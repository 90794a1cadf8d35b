/**
 * Requests over byte streams, for contents that no datagram can carry: same messages, same authentication.
 *
 * The first frame is handshake message 1 with a ping or fetch, the second is message 2 with a pong, all further
 * ones are sealed RPC messages, counters counting from 0 in each direction. One request a stream.
 * Invariants: bounded number of streams, for each source too, those to others as well (stream-slots.ts); a stream without progress for IDLE_MS ends, and so does one
 * that brings more than MAX_STREAM_BYTES or lasts longer than TOTAL_MS; a store
 * is accepted only after the handshake. Not here: sockets (tcp-transport.ts), what requests mean (node.ts).
 */
import { sourceKey } from './address.js';
import type { CertifiedKeys } from './certified-keys.js';
import { type Contact, contactEndpoint, type UnverifiedContact, withSource } from './contact.js';
import type { Counters } from './counters.js';
import type { ByteStream, Clock, Endpoint, StreamTransport, TimerHandle } from './environment.js';
import { decodeFirst, decodeSecond, encodeFirst, encodeSecond } from './handshake-payload.js';
import {
  decodeRpc,
  encodeRpc,
  isRequest,
  type RpcAnswer,
  type RpcMessage,
  type RpcRequest,
} from './rpc-message.js';
import type { ChannelKeys, SecureChannel } from './secure-channel.js';
import { FrameReader, frame } from './stream-frames.js';
import { type SlotLimits, StreamSlots } from './stream-slots.js';

const IDLE_MS = 4_000;
/** How long the receiver of something large may take to take it in, when nothing comes back meanwhile. */
const TRANSFER_MS = 15_000;
/** However slowly it goes on, a stream ends after this. */
const TOTAL_MS = 60_000;
/** More than all contents of a key, or one store, with everything around them. */
const MAX_STREAM_BYTES = 200_000;
const MAX_SERVED = 256;
const MAX_SERVED_A_SOURCE = 64;
/** What each request may be answered with; anything else ends the stream as a failure. */
const ANSWERS: Readonly<Partial<Record<RpcRequest['kind'], readonly RpcAnswer['kind'][]>>> = {
  fetch: ['part', 'end'],
  store: ['stored'],
  offer: ['stored'],
  relay: ['taken'],
  relayed: ['taken'],
};
const NO_HEADER = Buffer.alloc(0);

export interface BulkOptions {
  readonly clock: Clock;
  readonly transport: StreamTransport;
  readonly reaches: (family: 4 | 6) => boolean;
  readonly channel: SecureChannel;
  readonly certified: CertifiedKeys;
  readonly counters: Counters;
  readonly self: () => UnverifiedContact;
  readonly verify: (contact: UnverifiedContact) => Contact | null;
  /** All answers to a request, in order. `via`: the port that the peer announces, at the address that its stream came from. */
  readonly onRequest: (from: Contact, request: RpcRequest, via: Endpoint) => RpcAnswer[];
  readonly slotLimits?: SlotLimits;
}

export interface BulkCallbacks {
  /** Comes for each answer; `stored`, `taken` and `end` are the last ones. */
  onAnswer(answer: RpcAnswer): void;
  /** The stream ended without a last answer. */
  onFailure(): void;
}

/** Seals and opens frames with counters of its own. */
class SealedFrames {
  #sent = 0;
  #received = 0;
  constructor(
    readonly channel: SecureChannel,
    readonly keys: ChannelKeys,
  ) {}

  seal(message: RpcMessage): Buffer {
    const plaintext = encodeRpc({ requestId: 0, message });
    return frame(this.channel.seal(this.keys, this.#sent++, NO_HEADER, plaintext));
  }
  open(body: Buffer): RpcMessage | null {
    const plaintext = this.channel.open(this.keys, this.#received++, NO_HEADER, body);
    return (plaintext && decodeRpc(plaintext)?.message) ?? null;
  }
}

export class Bulk {
  readonly #o: BulkOptions;
  readonly #served = new Map<ByteStream, string>();
  readonly #started = new Set<ByteStream>();
  readonly #slots: StreamSlots;

  constructor(options: BulkOptions) {
    this.#o = options;
    this.#slots = new StreamSlots(options.slotLimits);
  }

  get streams(): { served: number; started: number; waiting: number } {
    return { served: this.#served.size, started: this.#started.size, waiting: this.#slots.waiting };
  }

  close(): void {
    this.#slots.close();
    for (const stream of [...this.#served.keys(), ...this.#started]) stream.destroy();
  }

  /**
   * Sends one request to a contact over a stream of its own, once there is room for it.
   * @param forOthers it is part of what we do for others' onions
   */
  request(contact: Contact, request: RpcRequest, callbacks: BulkCallbacks, forOthers = false): void {
    const { clock, counters } = this.#o;
    const drop = () => void clock.setTimer(0, () => callbacks.onFailure());
    const start = () => this.#start(contact, request, callbacks, () => this.#slots.free(forOthers));
    if (this.#slots.take(forOthers, { start, drop })) return;
    counters.add('dropStreamLimit');
    drop();
  }

  #start(contact: Contact, request: RpcRequest, callbacks: BulkCallbacks, onEnd: () => void): void {
    const { channel, certified, clock, counters, self, transport, reaches } = this.#o;
    const endpoint = contactEndpoint(contact, reaches);
    const first: RpcRequest = request.kind === 'fetch' ? request : { kind: 'ping' };
    const nowSeconds = clock.now() / 1000;
    const holdsCertificate = certified.holds(contact, nowSeconds);
    const payload = encodeFirst(
      {
        holdsCertificate,
        contact: self(),
        certificate: channel.certificate,
        request: encodeRpc({ requestId: 0, message: first }),
      },
      0,
    ) as Buffer;
    const initiation = channel.initiate('stream', contact.key, payload);
    if (!endpoint || !initiation) {
      clock.setTimer(0, () => {
        onEnd();
        callbacks.onFailure();
      });
      return;
    }
    counters.add('streamsStarted');
    const stream = transport.connect(endpoint);
    this.#started.add(stream);
    let sealed: SealedFrames | null = null;
    let finished = false;
    this.#attend(
      stream,
      (body) => {
        if (!sealed) {
          const reply = initiation.finish(body);
          const second = reply && decodeSecond(reply.payload);
          if (!reply || !second) return false;
          const proven =
            (holdsCertificate && certified.holds(contact, nowSeconds)) ||
            (second.certificate !== null && certified.proves(second.certificate, contact, nowSeconds));
          if (!proven) return false;
          sealed = new SealedFrames(channel, reply.keys);
          if (first !== request) stream.write(sealed.seal(request));
          return true;
        }
        const message = sealed.open(body);
        if (!message || isRequest(message) || finished || !ANSWERS[request.kind]?.includes(message.kind))
          return false;
        finished = message.kind === 'stored' || message.kind === 'taken' || message.kind === 'end';
        callbacks.onAnswer(message);
        if (finished) stream.end();
        return true;
      },
      () => request.kind !== 'fetch' && sealed !== null,
      () => {
        this.#started.delete(stream);
        onEnd();
        if (!finished) callbacks.onFailure();
      },
    );
    stream.write(frame(initiation.message));
  }

  /** Serves a stream that another node has opened. */
  serve(stream: ByteStream): void {
    const source = sourceKey(stream.remote);
    const ofSource = [...this.#served.values()].filter((other) => other === source).length;
    if (this.#served.size >= MAX_SERVED || ofSource >= MAX_SERVED_A_SOURCE) {
      this.#o.counters.add('dropStreamLimit');
      stream.start({ onData: () => {}, onClose: () => {} });
      stream.destroy();
      return;
    }
    this.#served.set(stream, source);
    let peer: { contact: Contact; sealed: SealedFrames } | null = null;
    let answered = false;
    const answer = (contact: Contact, sealed: SealedFrames, request: RpcRequest) => {
      answered = true;
      this.#o.counters.add('streamsServed');
      const via = { ...stream.remote, port: contact.port };
      for (const message of this.#o.onRequest(contact, request, via)) stream.write(sealed.seal(message));
      stream.end();
    };
    this.#attend(
      stream,
      (body) => {
        if (answered) return false;
        if (peer) {
          const message = peer.sealed.open(body);
          if (!message || !isRequest(message)) return false;
          answer(peer.contact, peer.sealed, message);
          return true;
        }
        const accepted = this.#accept(stream, body);
        if (!accepted) return false;
        peer = accepted;
        if (accepted.request.kind === 'fetch') answer(accepted.contact, accepted.sealed, accepted.request);
        return true;
      },
      () => answered,
      () => this.#served.delete(stream),
    );
  }

  #accept(
    stream: ByteStream,
    body: Buffer,
  ): { contact: Contact; sealed: SealedFrames; request: RpcRequest } | null {
    const { channel, certified, clock, counters, verify } = this.#o;
    const reception = channel.respond('stream', body);
    const first = reception && decodeFirst(reception.payload);
    const request = first && decodeRpc(first.request)?.message;
    if (!reception || !first || !request || !isRequest(request)) {
      counters.add('dropHandshake');
      return null;
    }
    const claimed = withSource(first.contact, stream.remote);
    const proven =
      claimed.key.equals(reception.remoteKey) &&
      certified.proves(first.certificate, claimed, clock.now() / 1000);
    const contact = proven ? verify(claimed) : null;
    if (!contact) {
      counters.add(proven ? 'dropPosition' : 'dropCertificate');
      return null;
    }
    const certificate = first.holdsCertificate ? null : channel.certificate;
    const pong = encodeRpc({ requestId: 0, message: { kind: 'pong' } });
    const { message, keys } = reception.reply(encodeSecond({ certificate, answer: pong }));
    stream.write(frame(message));
    return { contact, sealed: new SealedFrames(channel, keys), request };
  }

  /**
   * Reads frames until `onFrame` says false, the other side ends, or nothing has come for IDLE_MS (TRANSFER_MS while
   * the other side is taking in what we sent).
   */
  #attend(
    stream: ByteStream,
    onFrame: (body: Buffer) => boolean,
    transferring: () => boolean,
    onClosed: () => void,
  ): void {
    const { clock, counters } = this.#o;
    const reader = new FrameReader();
    let received = 0;
    const deadline = clock.setTimer(TOTAL_MS, () => stream.destroy());
    let timer: TimerHandle;
    let closed = false;
    const restart = () => {
      clock.clearTimer(timer);
      if (closed) return;
      timer = clock.setTimer(transferring() ? TRANSFER_MS : IDLE_MS, () => stream.destroy());
    };
    const take = (body: Buffer) => {
      try {
        return onFrame(body);
      } catch {
        counters.add('internalErrors');
        return false;
      }
    };
    timer = clock.setTimer(IDLE_MS, () => stream.destroy());
    stream.start({
      onData: (bytes) => {
        received += bytes.length;
        const frames = received > MAX_STREAM_BYTES ? null : reader.push(bytes);
        if (!frames?.every((body) => take(body))) {
          counters.add('dropMalformed');
          stream.destroy();
        }
        restart();
      },
      onClose: () => {
        closed = true;
        clock.clearTimer(timer);
        clock.clearTimer(deadline);
        onClosed();
      },
    });
  }
}
