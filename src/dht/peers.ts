/**
 * What a node keeps of each other node that it knows, as one object: the certified key, the round trip, the session to send on.
 *
 * Invariants: bounded; whoever has shown that it receives at its address has a bound apart from strangers, so a flood of
 * handshakes cannot push it out. Numbers are small and whole, as V8 keeps only those without a box.
 * Not here: what the fields are for (certified-keys.ts, round-trip.ts, session-table.ts), whom to ask (routing-table.ts).
 */
import { CompactTable, type TableEntry, type TableKeys } from './compact-table.js';
import type { UnverifiedContact } from './contact.js';
import type { Session } from './session-table.js';

const MAX_MET = 4096;
const MAX_STRANGERS = 4096;

export class Peer implements TableEntry {
  /** Its key is proven by a certificate until `keyExpirySeconds`; the rest is not used. */
  contact: UnverifiedContact;
  keyExpirySeconds = 0;
  /** Below 0 as long as nothing was measured. */
  smoothedMicros = -1;
  deviationMicros = 0;
  /** The one to send on. */
  session: Session | null = null;
  usedAt = 0;

  constructor(contact: UnverifiedContact) {
    this.contact = contact;
  }
}

const BY_ID: TableKeys<string, Peer> = {
  of: (peer) => peer.contact.id,
  hash: (id) => {
    let sum = 0;
    for (let i = 0; i < 8; i++) sum = Math.imul(sum, 31) + id.charCodeAt(i);
    return sum;
  },
};

/** Peers by the id of their contact. */
export class Peers {
  readonly #met: CompactTable<string, Peer>;
  readonly #strangers: CompactTable<string, Peer>;

  constructor(limits: { met?: number; strangers?: number } = {}) {
    this.#met = new CompactTable(limits.met ?? MAX_MET, BY_ID);
    this.#strangers = new CompactTable(limits.strangers ?? MAX_STRANGERS, BY_ID);
  }

  /** The peer without counting as a use. */
  peek(id: string): Peer | null {
    return this.#met.peek(id) ?? this.#strangers.peek(id);
  }

  /** The peer, which counts as used now; without it, it may be the next to be forgotten. */
  use(id: string): Peer | null {
    return this.#met.get(id) ?? this.#strangers.get(id);
  }

  /** The peer, from now on known if it was not. */
  know(contact: UnverifiedContact): Peer {
    const known = this.use(contact.id);
    if (known) return known;
    const peer = new Peer(contact);
    this.#strangers.add(peer);
    return peer;
  }

  /** The peer, which has shown that it receives at its address. */
  meet(contact: UnverifiedContact): Peer {
    const met = this.#met.get(contact.id);
    if (met) return met;
    const peer = this.#strangers.peek(contact.id) ?? new Peer(contact);
    this.#strangers.delete(contact.id);
    this.#met.add(peer);
    return peer;
  }
}
