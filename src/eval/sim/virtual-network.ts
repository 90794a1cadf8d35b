/**
 * Role: a small network of production DHT nodes in virtual time, which join one after the other; for tests.
 *
 * Nodes check positions themselves, so that liars can be among them. Not here: thousands of nodes (simulation.ts).
 */
import type { ByteStream, Endpoint, Random } from '../../dht/environment.js';
import { DhtNode, type DhtNodeOptions } from '../../dht/node.js';
import { EvenPaths } from './paths.js';
import { SeededRandom } from './seeded-random.js';
import { standInChannel } from './stand-in-channel.js';
import { standInContact } from './stand-in-contact.js';
import { VirtualClock } from './virtual-clock.js';
import { ORIGIN, type VirtualHost, VirtualInternet } from './virtual-internet.js';

const ONE_WAY_MS = 10;

/** One of the nodes, and the host it runs on. */
export class VirtualNode {
  constructor(
    readonly node: DhtNode,
    readonly host: VirtualHost,
  ) {}

  get endpoint(): Endpoint {
    return this.host.endpoint;
  }
  /** Takes nothing and says nothing while set. */
  get silent(): boolean {
    return this.host.silent;
  }
  set silent(silent: boolean) {
    this.host.silent = silent;
  }
}

export class VirtualNetwork {
  readonly clock = new VirtualClock();
  readonly nodes: VirtualNode[] = [];
  /** One way. */
  readonly delayMs = ONE_WAY_MS;
  readonly #internet = new VirtualInternet(this.clock, new EvenPaths(ONE_WAY_MS));

  /** What further nodes announce instead of where they are: as behind a NAT. */
  announced: string | null = null;
  /** Gives further nodes their part in private lookups. */
  onions: (key: Buffer, random: Random) => DhtNodeOptions['onions'] | undefined = () => undefined;

  constructor(readonly seed: string) {}

  /** Each datagram that is sent passes here; false loses it. */
  set filter(filter: (from: Endpoint, to: Endpoint, bytes: Buffer) => boolean) {
    this.#internet.filter = filter;
  }

  /**
   * Adds a node that knows the first one; it starts at once.
   * @param lies `identity`: claims an identity that its certificate does not have; `position`: a proof of last epoch
   */
  add(lies: 'identity' | 'position' | 'none' = 'none'): VirtualNode {
    const index = this.nodes.length;
    const endpoint: Endpoint = { family: 4, host: `10.0.${index >> 8}.${index & 255}`, port: 3000 };
    const random = new SeededRandom(`node ${index} ${this.seed}`);
    const honest = standInContact(random, endpoint, this.clock.now() / 1000);
    const { identity, key, proof } = honest;
    const shown = this.announced === null ? honest : { ...honest, ipv4: this.announced };
    const self = lies === 'position' ? { ...shown, proof: { ...proof, epoch: proof.epoch - 3 } } : shown;
    const certified = lies === 'identity' ? random.bytes(32) : identity;
    const host = this.#internet.attach(endpoint, ORIGIN);
    const first = this.nodes[0];
    const onions = this.onions(key, random);
    const node = new DhtNode({
      ...(onions ? { onions } : {}),
      clock: this.clock,
      random,
      datagrams: host,
      streams: host,
      channel: standInChannel(certified, key, random),
      self,
      kx: { port: 4000 + index, ipv4: Buffer.of(10, 0, index >> 8, index & 255), ipv6: null },
      hostlist: async () => (first ? [first.endpoint] : []),
      puzzleBits: 0,
    });
    host.receiver = node;
    const entry = new VirtualNode(node, host);
    this.nodes.push(entry);
    node.start(!first);
    return entry;
  }

  /** Adds `count` nodes and lets all of them join. */
  async grow(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { node } = this.add();
      await this.clock.until(node.ready(60_000));
    }
    await this.clock.advance(5_000);
  }

  /** A stream from anywhere to a node. */
  openStream(from: Endpoint, to: Endpoint): ByteStream {
    return this.#internet.openStream(from, to);
  }

  close(): void {
    for (const { node } of this.nodes) node.close();
  }
}
