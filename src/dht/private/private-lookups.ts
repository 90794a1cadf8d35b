/**
 * Private lookups, put together: our own onions, and what we do for those of others.
 *
 * Every node relays and serves; whether its own GETs and PUTs go through onions is its own choice (PRIVATE_LOOKUPS).
 * Invariants: with at least one other node, an own request that is to be private never becomes a direct one; what is put
 * while there is none is kept here, and goes out through an onion once there is one; with fewer than three others paths are
 * shorter and a warning says so, once. Not here: the parts.
 */
import type { Diversity } from '../../config/config.js';
import type { Contact } from '../contact.js';
import type { Endpoint, TimerHandle } from '../environment.js';
import type { Network } from '../network.js';
import type { StoreItem, TakenVerdict } from '../rpc-message.js';
import type { LegRequest } from '../service.js';
import { UNSHARED } from '../store.js';
import { type DirectLookups, Exit } from './exit.js';
import { Legs } from './legs.js';
import { MAX_HOPS } from './onion.js';
import type { OnionCipher } from './onion-cipher.js';
import { OnionDelays } from './onion-delays.js';
import { Paths } from './paths.js';
import type { PinnedHops } from './pinned-hops.js';
import { type LookupParts, privateGet } from './private-get.js';
import { privatePut } from './private-put.js';
import { Relay } from './relay.js';
import { ReplyBacklog } from './reply-backlog.js';
import { SeenOnions } from './seen-onions.js';
import { WarmPaths } from './warm-paths.js';

/** How a node's own requests are to be private. */
export interface OwnPrivacy {
  readonly pinned: PinnedHops;
  readonly diversity: Diversity;
  readonly warn: (text: string) => void;
}

export interface PrivateLookupsParts {
  readonly network: Network;
  readonly cipher: OnionCipher;
  readonly direct: DirectLookups;
  /** The same for the onions of others. */
  readonly served: DirectLookups;
  /** Onions that the node has accepted before, with the same cipher. */
  readonly seen?: SeenOnions;
  /** Whether the node has joined. */
  readonly joined: () => boolean;
  /** Null where our own requests go directly. */
  readonly own: OwnPrivacy | null;
}

/** While the pool fills, and afterwards. */
const FILL_MS = 2_000;
const REFRESH_MS = 120_000;
/** How often it is looked whether enough paths are ready. */
const WARM_MS = 5_000;
/** So long after its start a node that knows too few others waits for more before it takes a shorter path. */
const GATHERING_MS = 5_000;
const GATHERING_STEP_MS = 200;
/** Contents that wait for another node to be known. */
const MAX_WAITING = 64;

export class PrivateLookups implements DirectLookups {
  readonly legs: Legs;
  readonly relay: Relay;
  readonly paths: Paths | null;
  readonly #o: PrivateLookupsParts;
  readonly #exit: Exit;
  readonly #backlog = new ReplyBacklog();
  readonly #delays = new OnionDelays();
  readonly #lookups: LookupParts | null;
  readonly #open = new Set<() => void>();
  readonly #counts = { gets: 0, puts: 0, found: 0, stored: 0 };
  readonly #timers: (TimerHandle | null)[] = [null, null];
  #waiting: { readonly item: StoreItem; readonly sinceMs: number }[] = [];
  readonly #sinceMs: number;
  #warned: string | null = null;
  #closed = false;

  constructor(parts: PrivateLookupsParts) {
    this.#o = parts;
    this.#sinceMs = parts.network.now;
    const { network, cipher, served, own } = parts;
    const legs = () => this.legs;
    const shared = { network, cipher, legs, backlog: this.#backlog };
    this.#exit = new Exit({ ...shared, direct: served });
    this.relay = new Relay({ ...shared, exit: this.#exit, seen: parts.seen ?? new SeenOnions() });
    this.legs = new Legs({
      network,
      onOnion: (back, onion) => this.relay.onOnion(back, onion),
    });
    const paths = own && new Paths({ network, pinned: own.pinned, diversity: own.diversity });
    this.paths = paths;
    const warm: WarmPaths | null = paths && new WarmPaths(paths, () => this.#lookups as LookupParts);
    this.#lookups = paths &&
      warm && {
        ...{ network, cipher, legs: this.legs, delays: this.#delays, paths, warm, open: this.#open },
        closed: () => this.#closed,
        onFault: (path, fault) => paths.onFault(path, fault),
        onWorks: (path) => paths.onWorks(path),
      };
  }

  start(): void {
    const lookups = this.#lookups;
    if (!lookups) return;
    const { pool } = lookups.paths;
    this.#repeat(
      0,
      () => (pool.filled ? REFRESH_MS : FILL_MS),
      () => pool.refresh(),
    );
    this.#repeat(
      1,
      () => WARM_MS,
      () => {
        void lookups.warm.refresh();
        this.#putWaiting(lookups);
      },
    );
  }

  close(): void {
    this.#closed = true;
    this.legs.close();
    for (const end of [...this.#open]) end();
    for (const timer of this.#timers) if (timer) this.#o.network.parts.clock.clearTimer(timer);
  }

  /** Legs of onions from other nodes. */
  handle(from: Contact, request: LegRequest, via: Endpoint | null): TakenVerdict {
    return this.legs.handle(from, request, via);
  }

  async get(key: Buffer, onContent: (content: Buffer) => void): Promise<number> {
    if (this.#closed) return 0;
    const lookups = await this.#ready();
    if (!lookups) return this.#o.direct.get(key, onContent);
    this.#counts.gets += 1;
    const found = await privateGet(lookups, key, onContent);
    if (found > 0) this.#counts.found += 1;
    return found;
  }

  async put(item: StoreItem): Promise<number> {
    if (this.#closed) return 0;
    const lookups = await this.#ready();
    if (!lookups) return this.#lookups ? this.#keep(item) : this.#o.direct.put(item);
    this.#counts.puts += 1;
    const stored = await privatePut(lookups, item);
    if (stored > 0) this.#counts.stored += 1;
    return stored;
  }

  status(): Record<string, unknown> {
    const { network, own } = this.#o;
    const { counters } = network.parts;
    const served = {
      relayed: counters.get('onionsRelayed'),
      served: counters.get('onionsServed'),
      lookupsNow: this.#exit.running,
      legs: this.legs.size,
      replyBytes: this.#backlog.bytes,
      ...this.relay.size,
    };
    const { paths } = this;
    if (!paths || !own) return { enabled: false, forOthers: served };
    return {
      enabled: true,
      hops: paths.hops,
      ...(this.#warned === null ? {} : { warning: this.#warned }),
      pinned: own.pinned.members.length,
      pool: paths.pool.candidates().length,
      ready: this.#lookups?.warm.size ?? 0,
      suspects: paths.suspects.count(network.now),
      onionMs: this.#delays.smoothedMs,
      ...this.#counts,
      onions: counters.get('onionsMade'),
      failed: counters.get('onionsFailed'),
      forOthers: served,
    };
  }

  /** Nobody else is there: kept in our own store, where our replication leaves it alone. */
  #keep(item: StoreItem): number {
    const { network } = this.#o;
    if (network.parts.store.put(item, UNSHARED, network.now) !== 'stored') return 0;
    const others = this.#waiting.filter(
      (one) => !one.item.key.equals(item.key) || !one.item.content.equals(item.content),
    );
    this.#waiting = [...others, { item, sinceMs: network.now }].slice(-MAX_WAITING);
    return 1;
  }

  #putWaiting(lookups: LookupParts): void {
    if (lookups.paths.hops === 0) return;
    const { network } = this.#o;
    for (const one of this.#waiting.splice(0)) {
      const ttlMs = one.item.ttlMs - (network.now - one.sinceMs);
      if (ttlMs <= 0) continue;
      void privatePut(lookups, { ...one.item, ttlMs }).then((stored) => {
        if (stored === 0) this.#waiting = [one, ...this.#waiting].slice(0, MAX_WAITING);
      });
    }
  }

  /** What private requests need; null where they go directly: not wanted, or nobody else is there. */
  async #ready(): Promise<LookupParts | null> {
    const { paths } = this;
    if (!paths || !this.#lookups || !this.#o.own) return null;
    const { network } = this.#o;
    const few = () => paths.hops > 0 && paths.hops < MAX_HOPS;
    while (few() && network.now - this.#sinceMs < GATHERING_MS && !this.#closed) {
      await new Promise<void>((resolve) => network.parts.clock.setTimer(GATHERING_STEP_MS, resolve));
    }
    const { hops } = paths;
    if (hops >= MAX_HOPS) this.#warned = null;
    else if (this.#warned === null) {
      this.#warned = `only ${hops} other DHT nodes are known: private lookups need ${MAX_HOPS}, until then they hide less`;
      this.#o.own.warn(this.#warned);
    }
    return hops === 0 ? null : this.#lookups;
  }

  /** Does it again and again, about every `gapMs`, while the node is part of the network. */
  #repeat(slot: 0 | 1, gapMs: () => number, run: () => void): void {
    const { clock, random } = this.#o.network.parts;
    if (this.#closed) return;
    this.#timers[slot] = clock.setTimer(gapMs() * (0.5 + random.fraction()), () => {
      if (this.#o.joined()) run();
      this.#repeat(slot, gapMs, run);
    });
  }
}
