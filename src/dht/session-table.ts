/**
 * Established channels with other nodes over datagrams.
 *
 * Invariants: bounded (the one used longest ago goes first; unconfirmed ones have a bound of their own, so a flood
 * of handshakes cannot push out confirmed sessions); counters never repeat for a key; a session lives
 * SESSION_LIFETIME_MS at most. "Confirmed" means that the peer has shown that it receives at its address.
 * Not here: handshakes, timers, requests.
 */
import { BoundedMap } from './bounded-map.js';
import type { Contact } from './contact.js';
import { sealedHeader } from './datagram.js';
import type { Endpoint, Random } from './environment.js';
import type { ReplayWindow } from './replay-window.js';
import type { ChannelKeys, SecureChannel } from './secure-channel.js';

export const SESSION_LIFETIME_MS = 3_600_000;
const MAX_CONFIRMED = 1024;
const MAX_UNCONFIRMED = 512;

export interface Session {
  /** Who is at the other end, proven by its certificate. */
  readonly contact: Contact;
  readonly endpoint: Endpoint;
  readonly localId: number;
  readonly remoteId: number;
  readonly keys: ChannelKeys;
  readonly window: ReplayWindow;
  readonly createdAtMs: number;
  confirmed: boolean;
  nextCounter: number;
}

export class SessionTable {
  readonly #unconfirmed: BoundedMap<number, Session>;
  readonly #confirmed: BoundedMap<number, Session>;
  readonly #byPeer = new Map<string, Session>();

  constructor(
    readonly channel: SecureChannel,
    readonly random: Random,
    limits: { confirmed?: number; unconfirmed?: number } = {},
  ) {
    const forget = (_: number, session: Session) => this.#forgetPeer(session);
    this.#confirmed = new BoundedMap(limits.confirmed ?? MAX_CONFIRMED, forget);
    this.#unconfirmed = new BoundedMap(limits.unconfirmed ?? MAX_UNCONFIRMED, forget);
  }

  get size(): { confirmed: number; unconfirmed: number } {
    return { confirmed: this.#confirmed.size, unconfirmed: this.#unconfirmed.size };
  }

  /** An id that no session of ours has. */
  freeId(): number {
    for (;;) {
      const id = this.random.bytes(4).readUInt32BE(0);
      if (!this.#confirmed.peek(id) && !this.#unconfirmed.peek(id)) return id;
    }
  }

  add(session: Session): void {
    (session.confirmed ? this.#confirmed : this.#unconfirmed).set(session.localId, session);
    const old = this.#byPeer.get(session.contact.id);
    // An unproven newcomer never displaces a session that works.
    if (!old || session.confirmed || !old.confirmed) this.#byPeer.set(session.contact.id, session);
  }

  /** The session to use for sending to a contact, if there is one. */
  forPeer(contact: Contact, endpoint: Endpoint, nowMs: number): Session | null {
    const session = this.#byPeer.get(contact.id);
    if (!session) return null;
    const usable =
      session.contact.key.equals(contact.key) &&
      session.endpoint.host === endpoint.host &&
      session.endpoint.port === endpoint.port;
    if (nowMs - session.createdAtMs > SESSION_LIFETIME_MS) {
      this.drop(session);
      return null;
    }
    return usable ? session : null;
  }

  /** Sends nothing on the session any more; what its peer still sends on it is taken. */
  retire(session: Session): void {
    this.#forgetPeer(session);
  }

  drop(session: Session): void {
    this.#confirmed.delete(session.localId);
    this.#unconfirmed.delete(session.localId);
    this.#forgetPeer(session);
  }

  seal(session: Session, plaintext: Buffer): Buffer {
    const header = sealedHeader(session.remoteId, session.nextCounter);
    const body = this.channel.seal(session.keys.sendKey, session.nextCounter, header, plaintext);
    session.nextCounter += 1;
    return Buffer.concat([header, body]);
  }

  /** Opens a sealed datagram; the reason where it is not acceptable. The first good one confirms the session. */
  open(
    datagram: { to: number; counter: number; header: Buffer; body: Buffer },
    nowMs: number,
  ): { session: Session; plaintext: Buffer } | 'unknown-session' | 'replayed' | 'forged' {
    const session = this.#confirmed.get(datagram.to) ?? this.#unconfirmed.get(datagram.to);
    if (!session) return 'unknown-session';
    if (nowMs - session.createdAtMs > SESSION_LIFETIME_MS) {
      this.drop(session);
      return 'unknown-session';
    }
    if (!session.window.fresh(datagram.counter)) return 'replayed';
    const plaintext = this.channel.open(
      session.keys.receiveKey,
      datagram.counter,
      datagram.header,
      datagram.body,
    );
    if (!plaintext) return 'forged';
    session.window.accept(datagram.counter);
    if (!session.confirmed) {
      session.confirmed = true;
      this.#unconfirmed.delete(session.localId);
      this.add(session);
    }
    return { session, plaintext };
  }

  #forgetPeer(session: Session): void {
    if (this.#byPeer.get(session.contact.id) === session) this.#byPeer.delete(session.contact.id);
  }
}
