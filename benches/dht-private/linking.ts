/**
 * How often first hop and exit of a GET's onion both belong to colluders: the production choice of paths, pins, pool and
 * second onions, on a network that is only a list of nodes and in which every exit answers at once.
 *
 * Not here: a network (latency.ts).
 */
import type { Contact } from '../../src/dht/contact.js';
import { Counters } from '../../src/dht/counters.js';
import { compareDistance } from '../../src/dht/distance.js';
import type { Network } from '../../src/dht/network.js';
import { encodeExitReply } from '../../src/dht/private/exit-message.js';
import type { LegCallbacks, Legs } from '../../src/dht/private/legs.js';
import { sealReply } from '../../src/dht/private/onion.js';
import type { LayerKeys, OnionCipher } from '../../src/dht/private/onion-cipher.js';
import { OnionDelays } from '../../src/dht/private/onion-delays.js';
import { Paths } from '../../src/dht/private/paths.js';
import { PinnedHops } from '../../src/dht/private/pinned-hops.js';
import { type LookupParts, privateGet } from '../../src/dht/private/private-get.js';
import { WarmPaths } from '../../src/dht/private/warm-paths.js';
import { SeededRandom } from '../../src/eval/sim/seeded-random.js';
import { VirtualClock } from '../../src/eval/sim/virtual-clock.js';
import { encodeSignedValue } from '../../src/identity/signed-value.js';
import { createPseudoKey } from '../../test/unit/dht/pseudo-key.js';

const NODES = 10_000;
const CONTACTS = 200;
const SEARCHES = 40;
/** Nodes that an exit's lookup asks: as many as are closest to a key. */
const ASKED = 20;

/** What colluders let die, to have another onion sent: nothing, or what they see will not end at an exit of theirs. */
export type Dropping = 'nobody' | 'second' | 'first';

export interface LinkingLine {
  readonly gets: number;
  readonly colluders: number;
  readonly dropping: Dropping;
  /** Share of GETs that colluders link, and of requesters that they ever link. */
  readonly linked: number;
  readonly linkedRequesters: number;
  /** Share of GETs whose first hop is a colluder while exit or somebody that the exit asks is one too. */
  readonly linkedByAsked: number;
  readonly onionsPerGet: number;
}

function makeNodes(random: SeededRandom): Contact[] {
  return Array.from({ length: NODES }, (_, index) => {
    const identity = random.bytes(32);
    return {
      ...{ id: identity.toString('hex'), identity, key: random.bytes(32), position: random.bytes(32) },
      ...{ proof: { epoch: 0, nonce: Buffer.alloc(8) }, port: 3000, ipv6: null },
      ipv4: `${20 + (index >> 8)}.${index & 255}.0.1`,
    };
  });
}

/** Keys that say nothing but which hop they are for, so that replies need no hops to make them. */
function markingCipher(): OnionCipher {
  let layers = 0;
  const tag = Buffer.alloc(16);
  return {
    begin() {
      const hop = Buffer.alloc(32, layers++ % 3);
      const keys: LayerKeys = { forward: hop, tag: hop, backward: hop, seal: hop, offset: 0 };
      return { ephemeral: hop, keys };
    },
    join: () => null,
    stream: (_key, _number, bytes) => Buffer.from(bytes),
    tag: () => tag,
    equal: () => true,
    seal: (_key, _number, plaintext) => Buffer.concat([plaintext, tag]),
    open: (key, _number, sealed) => (key[0] === 2 ? sealed.subarray(0, sealed.length - 16) : null),
  };
}

/** What one requester knows of the network: contacts of its own, and searches that find what is closest. */
function networkOf(
  nodes: readonly Contact[],
  byFirstByte: readonly Contact[][],
  random: SeededRandom,
  clock: VirtualClock,
): Network {
  const sorted = (target: Buffer, among: readonly Contact[]) =>
    [...among].sort((a, b) => compareDistance(target, a.position, b.position));
  const draw = () => nodes[random.bytes(4).readUInt32BE() % nodes.length] as Contact;
  const [self, ...contacts] = Array.from({ length: CONTACTS + 1 }, draw) as [Contact, ...Contact[]];
  return {
    parts: {
      ...{ random, clock, self, counters: new Counters(), verify: (one: Contact) => one },
      table: {
        size: CONTACTS,
        contacts: () => contacts,
        closest: (target: Buffer, count: number) => sorted(target, contacts).slice(0, count),
      },
      store: { get: () => [] },
    },
    get now() {
      return clock.now();
    },
    search: ({ target, onDone }: { target: Buffer; onDone: (lookup: unknown) => void }) => {
      // Enough nodes that the closest of all is among them, without sorting ten thousand.
      const near = byFirstByte[target[0] as number] ?? [];
      onDone({ answered: (count: number) => sorted(target, near).slice(0, count), isAgreed: () => true });
    },
  } as unknown as Network;
}

export async function measureLinking(
  requesters: number,
  getsEach: number,
  colluders: number,
  dropping: Dropping = 'nobody',
  gapMs = 0,
): Promise<LinkingLine> {
  const random = new SeededRandom('linking');
  const nodes = makeNodes(random);
  const byFirstByte: Contact[][] = Array.from({ length: 256 }, () => []);
  for (const node of nodes) byFirstByte[node.position[0] as number]?.push(node);
  const bad = new Set(nodes.filter(() => random.fraction() < colluders).map(({ id }) => id));
  const owner = createPseudoKey('linking');
  let linked = 0;
  let linkedRequesters = 0;
  let linkedByAsked = 0;
  let onions = 0;
  const asked = new SeededRandom('asked');
  const someAskedIsBad = () =>
    Array.from({ length: ASKED }, () => asked.pick(nodes)).some(({ id }) => bad.has(id));
  for (let each = 0; each < requesters; each++) {
    const clock = new VirtualClock();
    const network = networkOf(nodes, byFirstByte, random, clock);
    const content = encodeSignedValue(
      { sequence: 1n, expirySeconds: clock.now() / 1_000 + 86_400, payload: Buffer.alloc(0) },
      owner.publicKey,
      owner.secretKey,
    );
    const paths = new Paths({ network, pinned: new PinnedHops(), diversity: 'auto' });
    for (let i = 0; i < SEARCHES; i++) paths.pool.refresh();
    const cipher = markingCipher();
    let linkedNow = false;
    let linkedByAskedNow = false;
    let chosen: readonly Contact[] = [];
    const legs = {
      forward(_to: Contact, _onion: Buffer, { onReply, onVerdict }: LegCallbacks) {
        const [first, second, exit] = chosen.map(({ id }) => bad.has(id));
        linkedNow ||= first === true && exit === true;
        linkedByAskedNow ||= first === true && (exit === true || someAskedIsBad());
        const dropper = dropping === 'first' ? first : dropping === 'second' && first && second;
        clock.setTimer(1, () => {
          onVerdict('taken');
          if (dropper && !exit) {
            cipher.begin(Buffer.alloc(0));
            cipher.begin(Buffer.alloc(0));
            cipher.begin(Buffer.alloc(0));
            return;
          }
          const reply = { failed: false, stored: 0 };
          const { plaintext } = encodeExitReply(reply, [content], true);
          onReply(sealReply(cipher, cipher.begin(Buffer.alloc(0))?.keys as LayerKeys, 0, plaintext));
          cipher.begin(Buffer.alloc(0));
          cipher.begin(Buffer.alloc(0));
        });
        return () => {};
      },
    } as unknown as Legs;
    const warm = new WarmPaths(paths, () => parts);
    const choose = warm.choose.bind(warm);
    warm.choose = (needs) => {
      const path = choose(needs);
      chosen = path ?? [];
      if (path) onions += 1;
      return path;
    };
    const parts: LookupParts = {
      ...{ network, cipher, legs, delays: new OnionDelays(), paths, warm, open: new Set() },
      closed: () => false,
      onFault: (path, fault) => paths.onFault(path, fault),
      onWorks: (path) => paths.onWorks(path),
    };
    let ever = false;
    for (let i = 0; i < getsEach; i++) {
      linkedNow = false;
      linkedByAskedNow = false;
      await clock.until(privateGet(parts, owner.publicKey, () => {}));
      await clock.advance(gapMs);
      if (linkedByAskedNow) linkedByAsked += 1;
      if (linkedNow) {
        linked += 1;
        ever = true;
      }
      paths.pool.refresh();
    }
    if (ever) linkedRequesters += 1;
  }
  const gets = requesters * getsEach;
  return {
    ...{ gets, colluders, dropping, linked: linked / gets, linkedRequesters: linkedRequesters / requesters },
    ...{ linkedByAsked: linkedByAsked / gets, onionsPerGet: onions / gets },
  };
}
