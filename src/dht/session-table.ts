/**
 * Established channels with other nodes over datagrams.
 *
 * Invariants: bounded (the one used longest ago goes first; unconfirmed ones have a bound of their own, so a flood
 * of handshakes cannot push out confirmed sessions); counters never repeat for a key; a session lives
 * SESSION_LIFETIME_MS at most. "Confirmed" means that the peer has shown that it receives at its address.
 * Not here: handshakes, timers, requests.
 */
import { sameEndpoint } from './address.js';
import { CompactTable, type TableEntry, type TableKeys } from './compact-table.js';
import type { Contact } from './contact.js';
import { sealedHeader } from './datagram.js';
import type { Endpoint, Random } from './environment.js';
import type { Peers } from './peers.js';
import { ReplayWindow } from './replay-window.js';
import type { ChannelKeys, SecureChannel } from './secure-channel.js';

export const SESSION_LIFETIME_MS = 3_600_000;
const MAX_CONFIRMED = 1024;
const MAX_UNCONFIRMED = 512;

export interface NewSession {
  /** Who is at the other end, proven by its certificate. */
  readonly contact: Contact;
  readonly endpoint: Endpoint;
  readonly localId: number;
  readonly remoteId: number;
  readonly keys: ChannelKeys;
  readonly createdAtMs: number;
  readonly confirmed: boolean;
}

/** Its own replay window, and all numbers small: a node has hundreds. */
export class Session extends ReplayWindow implements TableEntry {
  readonly contact: Contact;
  readonly endpoint: Endpoint;
  readonly localId: number;
  readonly remoteId: number;
  readonly keys: ChannelKeys;
  /** After the table's origin. */
  readonly createdAfterMs: number;
  confirmed: boolean;
  nextCounter = 0;
  usedAt = 0;

  constructor(fields: NewSession, originMs: number) {
    super();
    this.contact = fields.contact;
    this.endpoint = fields.endpoint;
    this.localId = fields.localId;
    this.remoteId = fields.remoteId;
    this.keys = fields.keys;
    this.createdAfterMs = Math.floor(fields.createdAtMs - originMs);
    this.confirmed = fields.confirmed;
  }
}

const BY_LOCAL_ID: TableKeys<number, Session> = { of: (session) => session.localId, hash: (id) => id };

export class SessionTable {
  readonly #unconfirmed: CompactTable<number, Session>;
  readonly #confirmed: CompactTable<number, Session>;

  /** @param originMs no session is older @param peers where the session to send on is kept */
  constructor(
    readonly channel: SecureChannel,
    readonly random: Random,
    readonly peers: Peers,
    readonly originMs: number,
    limits: { confirmed?: number; unconfirmed?: number } = {},
  ) {
    const forget = (session: Session) => this.#forgetPeer(session);
    this.#confirmed = new CompactTable(limits.confirmed ?? MAX_CONFIRMED, BY_LOCAL_ID, forget);
    this.#unconfirmed = new CompactTable(limits.unconfirmed ?? MAX_UNCONFIRMED, BY_LOCAL_ID, forget);
  }

  get size(): { confirmed: number; unconfirmed: number } {
    return { confirmed: this.#confirmed.size, unconfirmed: this.#unconfirmed.size };
  }

  /** An id that no session of ours has. */
  freeId(): number {
    for (;;) {
      const id = this.random.bytes(4).readInt32BE(0);
      if (!this.#confirmed.peek(id) && !this.#unconfirmed.peek(id)) return id;
    }
  }

  add(fields: NewSession): Session {
    const session = new Session(fields, this.originMs);
    this.#keep(session);
    return session;
  }

  createdAtMs(session: Session): number {
    return this.originMs + session.createdAfterMs;
  }

  /** The session to use for sending to a contact, if there is one. */
  forPeer(contact: Contact, endpoint: Endpoint, nowMs: number): Session | null {
    const session = this.peers.use(contact.id)?.session;
    if (!session) return null;
    const usable = session.contact.key.equals(contact.key) && sameEndpoint(session.endpoint, endpoint);
    if (nowMs - this.createdAtMs(session) > SESSION_LIFETIME_MS) {
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
    const sealed = this.channel.seal(session.keys, session.nextCounter, header, plaintext);
    session.nextCounter += 1;
    return sealed;
  }

  /** Opens a sealed datagram; the reason where it is not acceptable. The first good one confirms the session. */
  open(
    datagram: { to: number; counter: number; header: Buffer; body: Buffer },
    nowMs: number,
  ): { session: Session; plaintext: Buffer } | 'unknown-session' | 'replayed' | 'forged' {
    const session = this.#confirmed.get(datagram.to) ?? this.#unconfirmed.get(datagram.to);
    if (!session) return 'unknown-session';
    if (nowMs - this.createdAtMs(session) > SESSION_LIFETIME_MS) {
      this.drop(session);
      return 'unknown-session';
    }
    if (!session.fresh(datagram.counter)) return 'replayed';
    const plaintext = this.channel.open(session.keys, datagram.counter, datagram.header, datagram.body);
    if (!plaintext) return 'forged';
    session.accept(datagram.counter);
    if (!session.confirmed) {
      session.confirmed = true;
      this.#unconfirmed.delete(session.localId);
      this.#keep(session);
    }
    return { session, plaintext };
  }

  #keep(session: Session): void {
    const { confirmed, contact } = session;
    (confirmed ? this.#confirmed : this.#unconfirmed).add(session);
    const peer = confirmed ? this.peers.meet(contact) : this.peers.know(contact);
    // An unproven newcomer never displaces a session that works.
    if (confirmed || !peer.session?.confirmed) peer.session = session;
  }

  #forgetPeer(session: Session): void {
    const peer = this.peers.peek(session.contact.id);
    if (peer?.session === session) peer.session = null;
  }
}
