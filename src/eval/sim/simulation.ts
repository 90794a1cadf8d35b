/**
 * Role: a large network of production DHT nodes and hostile peers in one process and in virtual time.
 *
 * Contacts come first (`newContact`), then the peers that have them. A network is built by real joins (`join`) or with
 * tables filled as a converged one has them (`settle`); results say which.
 * Invariant: the same seed and the same calls give the same course.
 * Not here: who comes and goes (churn.ts), what is measured (scenarios).
 */
import { ipv4Bytes } from '../../dht/address.js';
import type { Contact } from '../../dht/contact.js';
import type { Endpoint } from '../../dht/environment.js';
import { DhtNode } from '../../dht/node.js';
import { PinnedHops } from '../../dht/private/pinned-hops.js';
import { AddressPlan } from './address-plan.js';
import { colludingAnswers, type Malice } from './collusion.js';
import { type Answers, HostileNode } from './hostile-node.js';
import { WideArea, type WideAreaOptions } from './paths.js';
import { PositionIndex } from './position-index.js';
import { Roster } from './roster.js';
import { SeededRandom } from './seeded-random.js';
import { fillTable } from './settled-table.js';
import { standInChannel } from './stand-in-channel.js';
import { standInContact } from './stand-in-contact.js';
import { standInOnionCipher } from './stand-in-onion-cipher.js';
import { VirtualClock } from './virtual-clock.js';
import { type Place, type VirtualHost, VirtualInternet } from './virtual-internet.js';

const OVERLAY_PORT = 3000;
const LOOKUPS_AS_EVERYBODY = { diversity: 'auto', warn: () => {} } as const;
const KX_PORT = 3001;
/** Hosts for each /16. */
const HOSTS_A_PROVIDER = 4;
const MAX_PROVIDERS = 20_000;
const JOIN_WAIT_MS = 60_000;

export interface HonestPeer {
  readonly contact: Contact;
  readonly host: VirtualHost;
  readonly node: DhtNode;
}

export interface HostilePeer {
  readonly contact: Contact;
  readonly node: HostileNode;
}

export interface SimulationOptions extends WideAreaOptions {
  readonly seed: string;
  /** About how many peers there will be: decides over how many prefixes they are spread. */
  readonly peers: number;
}

export type Work<T> = (item: T, index: number) => Promise<void>;

export class Simulation {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly addresses: AddressPlan;
  readonly internet: VirtualInternet;
  readonly honest: HonestPeer[] = [];
  readonly hostile: HostilePeer[] = [];
  /** The addresses that newcomers ask first. */
  hostlist: readonly Endpoint[] = [];
  readonly #roster = new Roster();
  readonly #paths: WideArea;
  #made = 0;

  constructor(readonly options: SimulationOptions) {
    const part = (name: string) => new SeededRandom(`${options.seed}/${name}`);
    this.random = part('course');
    const providers = Math.min(MAX_PROVIDERS, Math.ceil(options.peers / HOSTS_A_PROVIDER) + 8);
    this.addresses = new AddressPlan(part('addresses'), providers);
    this.#paths = new WideArea(part('paths'), options);
    this.internet = new VirtualInternet(this.clock, this.#paths);
  }

  /** @param position granted instead of its own, as to an attacker who has ground for it */
  newContact(host = this.addresses.next(), position?: Buffer): Contact {
    const endpoint: Endpoint = { family: 4, host, port: OVERLAY_PORT };
    const contact = standInContact(this.random, endpoint, this.clock.now() / 1000);
    return this.#roster.add(position ? { ...contact, position } : contact);
  }

  /**
   * An honest node; it starts with `settle`, `join` or by hand.
   * @param privacy whether it relays onions of others, or also makes its own lookups through them
   */
  addHonest(
    contact = this.newContact(),
    place?: Place,
    privacy: 'none' | 'relays' | 'private' = 'none',
  ): HonestPeer {
    const { host, random, channel } = this.#equip(contact, place);
    const own = privacy === 'private' ? { pinned: new PinnedHops(), ...LOOKUPS_AS_EVERYBODY } : null;
    const onions = { cipher: standInOnionCipher(contact.key, random), own };
    const node = new DhtNode({
      ...(privacy === 'none' ? {} : { onions }),
      ...{ clock: this.clock, random, channel, datagrams: host, streams: host },
      self: contact,
      kx: kxOf(contact),
      hostlist: async () => this.hostlist.filter((endpoint) => endpoint.host !== contact.ipv4),
      verify: (unverified) => this.#roster.verify(unverified),
    });
    host.receiver = node;
    const peer = { contact, host, node };
    this.honest.push(peer);
    return peer;
  }

  addHostile(contact: Contact, answers: Answers): HostilePeer {
    const { host, random, channel } = this.#equip(contact);
    const node = new HostileNode({
      ...{ clock: this.clock, random, channel, transport: host, contact, answers },
      verify: (unverified) => this.#roster.verify(unverified),
    });
    host.receiver = node;
    const peer = { contact, node };
    this.hostile.push(peer);
    return peer;
  }

  /** Peers that hang together: all of `contacts`. */
  addColluders(contacts: readonly Contact[], maliceOf: (index: number) => Malice = () => ({})): void {
    const clique = new PositionIndex(contacts);
    for (const [index, contact] of contacts.entries()) {
      this.addHostile(contact, colludingAnswers(contact, kxOf(contact), clique, maliceOf(index)));
    }
  }

  /** An honest peer goes without a word. */
  remove(peer: HonestPeer): void {
    peer.node.close();
    this.internet.detach(peer.host);
    const at = this.honest.indexOf(peer);
    const last = this.honest.pop();
    if (last && last !== peer) this.honest[at] = last;
  }

  /** All peers, by position. */
  index(): PositionIndex {
    return new PositionIndex([...this.honest, ...this.hostile].map(({ contact }) => contact));
  }

  /**
   * Fills the tables of all honest nodes and starts them.
   * @param odds how many times likelier a hostile peer gets into a bucket that has a choice: 1 is in proportion
   */
  settle(odds = 1): void {
    const index = this.index();
    const hostile = new Set(this.hostile.map(({ contact }) => contact));
    const takes = (contact: Contact) =>
      odds === 1 || hostile.has(contact) || this.random.fraction() < 1 / odds;
    for (const { node } of this.honest) {
      fillTable(node.network.parts.table, index, this.random, this.clock.now(), takes);
      node.start(true);
    }
    this.hostlist = this.honest.slice(0, 3).map(({ host }) => host.endpoint);
  }

  /** Lets all honest nodes join, so many a second; the first three are everybody's HOSTLIST. */
  async join(perSecond: number): Promise<void> {
    this.hostlist = this.honest.slice(0, 3).map(({ host }) => host.endpoint);
    await this.paced(this.honest, perSecond, async ({ node }, index) => {
      node.start(index === 0);
      await node.ready(JOIN_WAIT_MS);
    });
  }

  /** Does a piece of work for each item, so many begun a second; runs until all are done. */
  paced<T>(items: readonly T[], perSecond: number, work: Work<T>): Promise<void> {
    return this.clock.until(this.spread(items, perSecond, work));
  }

  /** As `paced`, without making time go on: for what goes on beside something else. */
  spread<T>(items: readonly T[], perSecond: number, work: Work<T>): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = items.length;
      const begin = (index: number) => {
        if (index === items.length) return;
        work(items[index] as T, index).then(() => {
          left -= 1;
          if (left === 0) resolve();
        }, reject);
        this.clock.setTimer(1000 / perSecond, () => begin(index + 1));
      };
      if (left === 0) resolve();
      else begin(0);
    });
  }

  close(): void {
    for (const { node } of this.honest) node.close();
  }

  #equip(contact: Contact, place = this.#paths.place()) {
    const random = new SeededRandom(`${this.options.seed}/${this.#made++}`);
    const endpoint: Endpoint = { family: 4, host: contact.ipv4 as string, port: contact.port };
    const host = this.internet.attach(endpoint, place);
    const shared = (key: Buffer) => this.#roster.sharedKey(key);
    const channel = standInChannel(contact.identity, contact.key, random, shared);
    return { host, random, channel };
  }
}

function kxOf(contact: Contact) {
  return { port: KX_PORT, ipv4: ipv4Bytes(contact.ipv4 as string), ipv6: null };
}
