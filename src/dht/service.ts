/**
 * What this node answers to the requests of others.
 *
 * Invariants: answers fit the budget they are given; stores, fetches and relays need a session or stream; nothing is given
 * out past its expiry. Not here: authentication (rpc.ts, bulk.ts), limits on rates.
 */
import { type Contact, sameAddress } from './contact.js';
import type { CounterName, Counters } from './counters.js';
import type { Clock, Endpoint } from './environment.js';
import { K } from './network.js';
import type { RoutingTable } from './routing-table.js';
import {
  fitFound,
  type KxAddress,
  type RpcAnswer,
  type RpcRequest,
  type StoreVerdict,
  type TakenVerdict,
} from './rpc-message.js';
import { type ContentStore, MAX_TTL_MS } from './store.js';

/** So that what is slow to arrive is known to be on its way, and not lost when it stops. */
const PART_BYTES = 8192;
const NOTHING = Buffer.alloc(0);

/** What is left of a content behind its first `held` bytes; an empty part where that is nothing, so that it is known to be here. */
function partsOf(hash: Buffer, content: Buffer, held: number): RpcAnswer[] {
  const totalBytes = content.length;
  if (held >= totalBytes) return [{ kind: 'part', hash, totalBytes, offset: totalBytes, bytes: NOTHING }];
  const parts: RpcAnswer[] = [];
  for (let offset = held; offset < totalBytes; offset += PART_BYTES) {
    const bytes = content.subarray(offset, offset + PART_BYTES);
    parts.push({ kind: 'part', hash, totalBytes, offset, bytes });
  }
  return parts;
}

export type LegRequest = RpcRequest & { kind: 'relay' | 'relayed' };

const NOT_STORED: Readonly<Partial<Record<StoreVerdict, CounterName>>> = {
  full: 'storesFull',
  stale: 'storesStale',
  refused: 'storesRefused',
};

export class Service {
  constructor(
    readonly parts: {
      readonly clock: Clock;
      readonly table: RoutingTable;
      readonly store: ContentStore;
      readonly counters: Counters;
      /** Where our KX module can be reached (Spec 3.1.5). */
      readonly kx: KxAddress;
      /** Legs of onions (private/legs.ts). */
      readonly onLeg: (from: Contact, request: LegRequest, via: Endpoint | null) => TakenVerdict;
    },
  ) {}

  /**
   * One answer of at most `budget` bytes, or null for a request that datagrams do not serve.
   * @param via where the request came from
   */
  answerDatagram(
    from: Contact,
    inSession: boolean,
    request: RpcRequest,
    budget: number,
    via: Endpoint,
  ): RpcAnswer | null {
    switch (request.kind) {
      case 'ping':
        return { kind: 'pong' };
      case 'find':
        return this.#find(from, request, budget);
      case 'store':
      case 'offer':
        return this.#keep(from, request, inSession);
      case 'relay':
      case 'relayed':
        return { kind: 'taken', verdict: inSession ? this.parts.onLeg(from, request, via) : 'refused' };
      case 'fetch':
        return null;
    }
  }

  /**
   * All answers to a request over a stream.
   * @param via where datagrams reach whoever sent it, for all that the stream proves
   */
  answerStream(from: Contact, request: RpcRequest, via: Endpoint): RpcAnswer[] {
    if (request.kind === 'fetch') {
      const stored = this.parts.store.get(request.key, this.parts.clock.now());
      const held = new Map(request.held.map(({ hash, bytes }) => [hash.toString('latin1'), bytes]));
      const parts = stored.flatMap(({ hash, content }) =>
        partsOf(hash, content, held.get(hash.toString('latin1')) ?? 0),
      );
      return [...parts, { kind: 'end' }];
    }
    if (request.kind === 'store' || request.kind === 'offer') return [this.#keep(from, request, true)];
    if (request.kind === 'relay' || request.kind === 'relayed') {
      const known = this.parts.table.get(from);
      // A node of the table has answered where it says that it is, whatever address its streams come from.
      const there = known !== null && sameAddress(known, from);
      return [{ kind: 'taken', verdict: this.parts.onLeg(from, request, there ? null : via) }];
    }
    return [{ kind: 'end' }];
  }

  #keep(from: Contact, request: RpcRequest & { kind: 'store' | 'offer' }, inSession: boolean): RpcAnswer {
    const allowed = inSession && request.ttlMs > 0 && request.ttlMs <= MAX_TTL_MS;
    const verdict = allowed ? this.#verdict(from, request) : 'refused';
    // An offer that comes in a handshake is refused to anybody.
    const counter = request.kind === 'store' ? NOT_STORED[verdict] : undefined;
    if (counter !== undefined) this.parts.counters.add(counter);
    return { kind: 'stored', verdict };
  }

  #verdict(from: Contact, request: RpcRequest & { kind: 'store' | 'offer' }): StoreVerdict {
    const { store, clock } = this.parts;
    const now = clock.now();
    if (request.kind === 'store') return store.put(request, from.id, now);
    return store.offer(request.key, request.contentHash, request.ttlMs, now);
  }

  #find(from: Contact, request: RpcRequest & { kind: 'find' }, budget: number): RpcAnswer {
    const { store, table, clock, kx } = this.parts;
    const now = clock.now();
    const held = request.wantValues ? store.get(request.key, now) : [];
    return fitFound(
      {
        kx: request.wantKx ? kx : null,
        valuesDigest: held.length > 0 ? store.digest(request.key, now) : null,
        closest: (count) => table.closest(request.key, Math.min(count, K), from.id),
        values: held.map((entry) => entry.content),
      },
      budget,
    );
  }
}
