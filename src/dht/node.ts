/**
 * One DHT node, put together from its parts. Clock, randomness, transports and cryptography are arguments, so the
 * same code runs on sockets and, many times over, in one process in virtual time.
 *
 * Invariants: only contacts that completed a round trip with us enter the table; no exception leaves
 * `handleDatagram` or `handleStream`. Not here: sockets (udp-transport.ts, tcp-transport.ts), API (api.ts), files.
 */
import { Bootstrap } from './bootstrap.js';
import { Bulk } from './bulk.js';
import { CertifiedKeys } from './certified-keys.js';
import { type Contact, sameAddress, type UnverifiedContact } from './contact.js';
import { Counters } from './counters.js';
import { decodeDatagram, welcomeDatagram } from './datagram.js';
import { idInBucket } from './distance.js';
import { Diversity, type KnownContacts } from './diversity.js';
import type {
  ByteStream,
  Clock,
  DatagramTransport,
  Endpoint,
  Random,
  StreamTransport,
  TimerHandle,
} from './environment.js';
import { getContents } from './get.js';
import { K, Network, THOROUGH } from './network.js';
import { Peers } from './peers.js';
import type { DirectLookups } from './private/exit.js';
import type { OnionCipher } from './private/onion-cipher.js';
import { type OwnPrivacy, PrivateLookups } from './private/private-lookups.js';
import type { SeenOnions } from './private/seen-onions.js';
import { putContent } from './put.js';
import { RateLimit } from './rate-limit.js';
import { Replicator } from './replicator.js';
import { RoundTrips } from './round-trip.js';
import { RoutingTable } from './routing-table.js';
import { Rpc } from './rpc.js';
import type { KxAddress, StoreItem } from './rpc-message.js';
import type { SecureChannel } from './secure-channel.js';
import { Service } from './service.js';
import { ContentStore, type StoreLimits } from './store.js';
import { type TraceHop, tracePath } from './trace.js';
import { verifyContact } from './verified-contact.js';

export interface DhtNodeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly datagrams: DatagramTransport;
  readonly streams: StreamTransport;
  readonly channel: SecureChannel;
  readonly self: Contact;
  readonly kx: KxAddress;
  /** Addresses of the HOSTLIST, asked until the network answers; none means that we are the first node. */
  readonly hostlist: () => Promise<readonly Endpoint[]>;
  /** Whether the caps for address prefixes hold; `auto` by default (diversity.ts). */
  readonly diversity?: Diversity['mode'];
  /** Leading zero bits of the position puzzle; simulations take fewer. */
  readonly puzzleBits?: number;
  /** Checks contacts in the place of the puzzle; simulations share one object a contact. */
  readonly verify?: (contact: UnverifiedContact) => Contact | null;
  readonly storeLimits?: StoreLimits;
  /** Contents to go on with, from the node that this one takes over from. */
  readonly store?: ContentStore;
  /**
   * Without it this node takes no part in private lookups. `own`: how its own requests are private, null for not;
   * `seen`: onions accepted already, by the node that this one takes over from.
   */
  readonly onions?: {
    readonly cipher: OnionCipher;
    readonly own: OwnPrivacy | null;
    readonly seen?: SeenOnions;
  };
}

const REFRESH_MS = 600_000;
const STALE_MS = 300_000;
const UPKEEP_MS = 30_000;
const PINGS_A_ROUND = 4;
const MAX_DIAL_BACKS = 64;
const HELLOS_PER_SECOND = 50;

export type JoinState = 'joining' | 'joined' | 'closed';

export class DhtNode {
  readonly network: Network;
  readonly counters = new Counters();
  readonly replicator: Replicator;
  readonly privateLookups: PrivateLookups | null;
  readonly #o: DhtNodeOptions;
  readonly #forOthers: Network;
  readonly #bootstrap: Bootstrap;
  /** Whom we ping to know them better, by id: the contact that told us of its address itself, null where others did. */
  readonly #dialBacks = new Map<string, Contact | null>();
  readonly #helloLimit = new RateLimit(HELLOS_PER_SECOND, HELLOS_PER_SECOND * 2);
  readonly #waiting = new Set<() => void>();
  #state: JoinState = 'joining';
  #searchingSelf = false;
  #upkeep: TimerHandle | null = null;
  #refreshedAtMs = 0;

  constructor(options: DhtNodeOptions) {
    this.#o = options;
    const { clock, random, channel, self, datagrams } = options;
    const known: KnownContacts = {
      get size() {
        return table.size;
      },
      contacts: () => table.contacts(),
    };
    const diversity = new Diversity(options.diversity ?? 'auto', known);
    const table: RoutingTable = new RoutingTable(self.position, self.id, (contact, bucket) => {
      const fits = diversity.fits(contact, bucket);
      if (!fits) this.counters.add('dropPrefix');
      return fits;
    });
    const store = options.store ?? new ContentStore(options.storeLimits);
    const peers = new Peers();
    const certified = new CertifiedKeys(channel, peers);
    const roundTrips = new RoundTrips(peers);
    const service = new Service({
      ...{ clock, table, store, kx: options.kx, counters: this.counters },
      onLeg: (from, request, via) => this.privateLookups?.handle(from, request, via) ?? 'refused',
    });
    const verify = (contact: UnverifiedContact) => this.#verify(contact);
    const shared = { clock, random, channel, certified, counters: this.counters, self: () => self, verify };
    const rpc = new Rpc({
      ...shared,
      transport: datagrams,
      roundTrips,
      onRequest: (...asked) => service.answerDatagram(...asked),
      onAlive: (contact) => this.#onAlive(contact),
      onCaller: (contact) => this.#dialBack(contact),
    });
    const bulk = new Bulk({
      ...shared,
      transport: options.streams,
      reaches: (family) => datagrams.reaches(family),
      onRequest: (...asked) => service.answerStream(...asked),
    });
    const parts = {
      ...{ clock, random, table, diversity, store, rpc, bulk, roundTrips, self, verify },
      counters: this.counters,
      onLost: (contact: Contact) => this.replicator.contactLost(contact),
    };
    this.network = new Network({ ...parts, forOthers: false });
    this.#forOthers = new Network({ ...parts, forOthers: true });
    this.replicator = new Replicator(this.network);
    this.privateLookups = options.onions
      ? new PrivateLookups({
          ...{ network: this.network, ...options.onions, direct: this },
          served: {
            get: (key, onContent) => this.get(key, onContent, this.#forOthers),
            put: (item) => this.put(item, this.#forOthers),
          },
          joined: () => this.#state === 'joined',
        })
      : null;
    this.#bootstrap = new Bootstrap({
      clock,
      random,
      send: (to, datagram) => this.#send(to, datagram),
      resolve: options.hostlist,
      lonely: () => table.size === 0,
      onWelcome: (contact) => this.#onWelcome(contact),
    });
  }

  /** GET and PUT as this node's own requests are to be made: through onions, or directly. */
  get lookups(): DirectLookups {
    return this.privateLookups ?? this;
  }

  get state(): JoinState {
    return this.#state;
  }

  /**
   * Starts to join.
   * @param alone true where the HOSTLIST has nobody to ask: then the node counts as joined once no seed answers
   * @param seeds contacts of old, asked besides the HOSTLIST
   */
  start(alone: boolean, seeds: readonly UnverifiedContact[] = []): void {
    let silent = 0;
    const onSilent = () => {
      silent += 1;
      if (alone && silent >= seeds.length) this.#joined();
    };
    for (const seed of seeds) this.#onWelcome(seed, onSilent);
    if (alone && seeds.length === 0) this.#joined();
    this.#bootstrap.start();
    this.replicator.start();
    this.privateLookups?.start();
    this.#refreshedAtMs = this.#o.clock.now();
    this.#scheduleUpkeep();
  }

  close(): void {
    this.#state = 'closed';
    this.#bootstrap.close();
    this.replicator.close();
    this.privateLookups?.close();
    if (this.#upkeep) this.#o.clock.clearTimer(this.#upkeep);
    this.network.parts.rpc.close();
    this.network.parts.bulk.close();
    this.#wake();
  }

  /** Resolves once the node has joined, or after `maxMs` all the same. */
  ready(maxMs: number): Promise<void> {
    if (this.#state !== 'joining') return Promise.resolve();
    return new Promise((resolve) => {
      const { clock } = this.#o;
      const done = () => {
        clock.clearTimer(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = clock.setTimer(maxMs, done);
      this.#waiting.add(done);
    });
  }

  /** Resolves with the number of nodes that took the content. */
  put(item: StoreItem, network = this.network): Promise<number> {
    return putContent(network, item);
  }

  /** Resolves with the number of contents, each given to `onContent` once, as it arrives. */
  get(key: Buffer, onContent: (content: Buffer) => void, network = this.network): Promise<number> {
    return getContents(network, key, onContent);
  }

  /** Resolves with the path to the node closest to the key, target first; null where there is no other node. */
  trace(key: Buffer): Promise<TraceHop[] | null> {
    return tracePath(this.network, key);
  }

  handleDatagram(from: Endpoint, bytes: Buffer): void {
    this.counters.add('datagramsIn');
    this.counters.add('bytesIn', bytes.length);
    try {
      const datagram = decodeDatagram(bytes);
      if (!datagram || this.#state === 'closed') {
        this.counters.add('dropMalformed');
        return;
      }
      if (datagram.type === 'hello') this.#onHello(from, datagram.token);
      else if (datagram.type === 'welcome') {
        const known = this.#bootstrap.handleWelcome(datagram.token, from, datagram.contact);
        if (!known) this.counters.add('dropUnknownAnswer');
      } else this.network.parts.rpc.handleDatagram(from, datagram);
    } catch {
      this.counters.add('internalErrors');
    }
  }

  handleStream(stream: ByteStream): void {
    if (this.#state === 'closed') stream.destroy();
    else this.network.parts.bulk.serve(stream);
  }

  status(): Record<string, unknown> {
    const { table, store, rpc, bulk, roundTrips } = this.network.parts;
    return {
      state: this.#state,
      contacts: table.size,
      store: store.totals,
      sessions: rpc.sessions.size,
      pendingRequests: rpc.pendingCount,
      streams: bulk.streams,
      smoothedRoundTripMs: roundTrips.smoothedMs,
      bootstrapRounds: this.#bootstrap.rounds,
      replication: { offers: this.replicator.offers, moved: this.replicator.moved },
      privateLookups: this.privateLookups?.status() ?? null,
      counters: this.counters.toJSON(),
    };
  }

  #send(to: Endpoint, datagram: Buffer): void {
    this.counters.add('datagramsOut');
    this.counters.add('bytesOut', datagram.length);
    this.#o.datagrams.send(to, datagram);
  }

  #onHello(from: Endpoint, token: Buffer): void {
    if (!this.#helloLimit.allow(from.host, this.#o.clock.now())) {
      this.counters.add('dropRateLimited');
      return;
    }
    this.#send(from, welcomeDatagram(token, this.#o.self));
  }

  #onWelcome(unverified: UnverifiedContact, onFailure: () => void = () => {}): void {
    const contact = this.#verify(unverified);
    if (!contact || contact.id === this.#o.self.id) onFailure();
    else this.network.request(contact, { kind: 'ping' }, { onAnswer: () => {}, onFailure });
  }

  #onAlive(contact: Contact): void {
    const { table } = this.network.parts;
    // A pinned first hop may be asked whose position has ended since.
    if (!this.#verify(contact)) return;
    const ofItself = this.#dialBacks.get(contact.id) === contact;
    const result = table.offer(contact, this.network.now, ofItself);
    if (result.outcome === 'added') {
      if (this.#state === 'joining') this.#join();
      this.replicator.contactAdded(contact);
    } else if (result.outcome === 'waiting' && this.network.now - result.heardMs > STALE_MS) {
      // Its failure makes room for the newcomer, its answer renews it (routing-table.ts). Pinging also those that we
      // heard of just now would never end: they dial us back, and do the same to the oldest of theirs.
      this.#ping(result.oldest, null);
    }
  }

  /** Somebody called us: they enter the table only once they have answered at the address they gave. */
  #dialBack(contact: Contact): void {
    const { table } = this.network.parts;
    const known = table.get(contact);
    if (known ? sameAddress(known, contact) : !table.hasUse(contact, this.network.now - STALE_MS)) return;
    this.#ping(contact, contact);
  }

  /** @param ofItself the contact if it told us of its address itself */
  #ping(contact: Contact, ofItself: Contact | null): void {
    if (this.#dialBacks.has(contact.id) || this.#dialBacks.size >= MAX_DIAL_BACKS) return;
    this.#dialBacks.set(contact.id, ofItself);
    const over = () => this.#dialBacks.delete(contact.id);
    this.network.request(contact, { kind: 'ping' }, { onAnswer: over, onFailure: over });
  }

  #verify(contact: UnverifiedContact): Contact | null {
    if (this.#o.verify) return this.#o.verify(contact);
    return verifyContact(contact, this.network.now / 1000, this.#o.puzzleBits);
  }

  /** The first contact has answered: search for ourselves, then for all distances, and we are part of the network. */
  #join(): void {
    if (this.#searchingSelf) return;
    this.#searchingSelf = true;
    this.network.search({
      target: this.#o.self.position,
      width: K,
      thorough: () => THOROUGH.some,
      onSettled: () => {
        this.#searchingSelf = false;
        this.#joined();
        this.#refreshBuckets();
      },
      onDone: () => {},
    });
  }

  #joined(): void {
    if (this.#state !== 'joining') return;
    this.#state = 'joined';
    this.#wake();
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  #refreshBuckets(): void {
    const { table, random } = this.network.parts;
    this.#refreshedAtMs = this.network.now;
    // Beyond the deepest bucket that has a contact there is nobody to find.
    const deepest = Math.min(table.deepestBucket(), 24);
    for (let bits = 0; bits <= deepest; bits++) {
      const target = idInBucket(this.#o.self.position, bits, random.bytes(32));
      this.network.search({ target, width: 8, onDone: () => {} });
    }
  }

  #scheduleUpkeep(): void {
    const { clock, random } = this.#o;
    this.#upkeep = clock.setTimer(UPKEEP_MS * (0.75 + random.fraction() / 2), () => {
      const { table } = this.network.parts;
      // A proof ends with its epoch, also where its owner still answers.
      for (const gone of table.prune((contact) => this.#verify(contact) !== null))
        this.replicator.contactLost(gone);
      for (const contact of table.stale(this.network.now - STALE_MS).slice(0, PINGS_A_ROUND))
        this.#ping(contact, null);
      if (this.network.now - this.#refreshedAtMs > REFRESH_MS) {
        this.network.search({ target: this.#o.self.position, width: K, onDone: () => {} });
        this.#refreshBuckets();
      }
      if (this.#state !== 'closed') this.#scheduleUpkeep();
    });
  }
}
