/**
 * What the parts of a node share: the table, the store, and ways to ask one contact or to search for many.
 *
 * Invariant: every failed request is told to the table. Not here: what is asked for and why (get.ts, put.ts,
 * trace.ts, replicator.ts), the assembly (node.ts).
 */
import type { Bulk } from './bulk.js';
import { type Contact, sameAddress, type UnverifiedContact } from './contact.js';
import type { Counters } from './counters.js';
import { SEALED_CAPACITY } from './datagram.js';
import { compareDistance } from './distance.js';
import type { Diversity } from './diversity.js';
import type { Clock, Random } from './environment.js';
import { Lookup } from './lookup.js';
import type { RoundTrips } from './round-trip.js';
import type { RoutingTable } from './routing-table.js';
import type { Rpc, RpcCallbacks } from './rpc.js';
import {
  type FoundAnswer,
  type RpcAnswer,
  type RpcRequest,
  STORE_OVERHEAD_BYTES,
  type StoreItem,
  type StoreVerdict,
} from './rpc-message.js';
import type { ContentStore } from './store.js';

/** Nodes asked by a full lookup, and the size of a bucket: Kademlia's k. */
export const K = 20;
/** Contacts of our own that a lookup can begin at, as far as it needs them. */
const ROOTS = 192;
/** With how many more than the closest that must answer it does begin. */
const SPARE = 12;

/**
 * How far lookups go beyond the closest nodes they find: against very many colluders, against many, where little is at stake. Those for
 * others go less far than our own: anybody can ask for them, as often as it likes.
 */
export const THOROUGH = { own: 24, others: 5, some: 2 } as const;

export interface NetworkParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly table: RoutingTable;
  readonly diversity: Diversity;
  readonly store: ContentStore;
  readonly rpc: Rpc;
  readonly bulk: Bulk;
  readonly counters: Counters;
  readonly roundTrips: RoundTrips;
  readonly self: Contact;
  readonly verify: (contact: UnverifiedContact) => Contact | null;
  readonly onLost: (contact: Contact) => void;
  /** All that is asked here is for others' onions: it leaves room for what is our own. */
  readonly forOthers: boolean;
}

export interface SearchOptions {
  readonly target: Buffer;
  readonly width: number;
  readonly wantValues?: boolean;
  readonly wantKx?: boolean;
  /** Up to which cost it goes on once it has settled; by default 0, not at all (see Lookup). */
  readonly thorough?: () => number;
  /** Whether it may wait for so many answers before it asks anybody else; by default it never does (see Lookup). */
  readonly suffices?: (waitedFor: number) => boolean;
  /**
   * Called for each answer.
   * @param last no fuller one follows from this node, unless only contacts are lacking
   * @returns true where no values are lacking, though the answer had no room for them
   */
  readonly onFound?: (contact: Contact, found: FoundAnswer, last: boolean) => boolean;
  readonly onSettled?: (lookup: Lookup) => void;
  readonly onExplored?: (lookup: Lookup) => void;
  readonly onDone: (lookup: Lookup) => void;
}

export class Network {
  constructor(readonly parts: NetworkParts) {}

  get now(): number {
    return this.parts.clock.now();
  }

  /** How far a lookup goes where all is at stake. */
  get thoroughness(): number {
    return this.parts.forOthers ? THOROUGH.others : THOROUGH.own;
  }

  request(contact: Contact, request: RpcRequest, callbacks: RpcCallbacks, attempts?: number): void {
    const { rpc, table, onLost, forOthers } = this.parts;
    rpc.request(
      contact,
      request,
      {
        onAnswer: callbacks.onAnswer,
        onFailure: (reason) => {
          const gone = reason === 'timeout' || reason === 'wrong-identity';
          // Who is not at an address that others tell of may well be where we know it.
          const known = table.get(contact);
          const here = known !== null && sameAddress(known, contact);
          if (gone && here && table.failed(contact)) onLost(contact);
          callbacks.onFailure(reason);
        },
      },
      attempts,
      null,
      forOthers,
    );
  }

  /** Searches towards `target`; see Lookup for when the callbacks come. */
  search(options: SearchOptions): Lookup {
    const { table, self, clock, roundTrips, diversity } = this.parts;
    let depth = 0;
    const thorough = () => {
      depth = options.thorough?.() ?? 0;
      return depth;
    };
    const { target, width } = options;
    const lookup: Lookup = new Lookup(
      {
        ...{ target, width },
        start: table.closest(target, width + SPARE),
        roots: () => table.closest(target, Math.max(ROOTS, width)),
        ownId: self.id,
        ...{ thorough, diversity, suffices: options.suffices ?? (() => false) },
        onSettled: options.onSettled ?? (() => {}),
        onExplored: options.onExplored ?? (() => {}),
        onDone: options.onDone,
      },
      {
        hedge: (contact, run) => {
          const timer = clock.setTimer(roundTrips.hedgeMs(contact.id), run);
          return () => clock.clearTimer(timer);
        },
        ask: (contact, on) => {
          const request: RpcRequest = {
            kind: 'find',
            key: options.target,
            wantValues: options.wantValues ?? false,
            wantKx: options.wantKx ?? false,
          };
          const send = (again: boolean) =>
            this.request(contact, request, {
              onAnswer: (answer, inHandshake) => {
                if (lookup.isDone) return;
                if (answer.kind !== 'found') {
                  on.onFailed();
                  return;
                }
                const contacts = answer.contacts.map(this.parts.verify).filter((one) => one !== null);
                const invented = answer.contacts.length - contacts.length;
                if (invented > 0) this.parts.counters.add('dropContact', invented);
                let last = true;
                on.onContacts(contacts, () => {
                  // What rode in a handshake had little room: the session just made has more.
                  const hadRoom = again || !inHandshake;
                  const isHere = options.onFound?.(contact, answer, hadRoom || !answer.moreValues) === true;
                  const short =
                    (answer.moreValues && !isHere) ||
                    (answer.moreContacts && (depth > THOROUGH.others || lookup.isClose(contact)));
                  last = hadRoom || !short || lookup.isDone;
                });
                if (last) on.onEnd();
                else send(true);
              },
              onFailure: () => (again ? on.onEnd() : on.onFailed()),
            });
          send(false);
        },
      },
    );
    return lookup.run();
  }

  /** Brings a content to a node, by datagram where it fits, else by stream. Null where it did not answer. */
  storeAt(contact: Contact, item: StoreItem, onVerdict: (verdict: StoreVerdict | null) => void): void {
    const request: RpcRequest = { kind: 'store', ...item };
    if (item.content.length + STORE_OVERHEAD_BYTES <= SEALED_CAPACITY) {
      this.request(contact, request, {
        onAnswer: (answer) => onVerdict(answer.kind === 'stored' ? answer.verdict : null),
        onFailure: () => onVerdict(null),
      });
      return;
    }
    const { bulk, forOthers } = this.parts;
    let over = false;
    const verdict = (one: StoreVerdict | null) => {
      if (!over) onVerdict(one);
      over = true;
    };
    const callbacks = {
      onAnswer: (answer: RpcAnswer) => verdict(answer.kind === 'stored' ? answer.verdict : null),
      onFailure: () => verdict(null),
    };
    bulk.request(contact, request, callbacks, forOthers);
  }

  /** Of ourselves and `contacts`, the `count` closest to `key` that the prefix caps let stand together. */
  closestWithSelf(key: Buffer, contacts: readonly Contact[], count: number): Contact[] {
    const sorted = [...contacts, this.parts.self].sort((a, b) =>
      compareDistance(key, a.position, b.position),
    );
    return this.parts.diversity.select(sorted, count);
  }
}
