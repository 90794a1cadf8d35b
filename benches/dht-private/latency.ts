/**
 * Private lookups beside direct ones in a network in virtual time: when the first content is there, and who gets to see
 * the requester meanwhile.
 *
 * Not here: the odds that first hop and exit collude (linking.ts).
 */
import { encodeSignedValue } from '../../src/identity/signed-value.js';
import { createPseudoKey } from '../../test/unit/dht/pseudo-key.js';
import { readyNetwork, watch, withoutContacts } from '../../test/unit/dht/watched-network.js';

export interface LatencyLine {
  readonly nodes: number;
  readonly gets: number;
  readonly roundTripMs: number;
  readonly directP50Ms: number;
  readonly privateP50Ms: number;
  readonly directP99Ms: number;
  readonly privateP99Ms: number;
  /** Messages in which somebody other than the first hop saw address, identity or DHT key of the requester. */
  readonly tainted: number;
  /** Nodes other than the first hop that a requester turned to. */
  readonly strangers: number;
}

/** Any datagram has arrived by then. */
const LANDED_MS = 1_000;

const quantile = (values: number[], q: number) =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN;

export async function measureLatency(nodes: number, gets: number): Promise<LatencyLine> {
  const { network, ciphers } = await readyNetwork('latency', nodes);
  const { clock } = network;
  const expirySeconds = Math.floor(clock.now() / 1_000) + 86_400;
  const owners = Array.from({ length: 20 }, (_, index) => createPseudoKey(`latency ${index}`));
  for (const { publicKey: key, secretKey } of owners) {
    const content = encodeSignedValue({ sequence: 1n, expirySeconds, payload: key }, key, secretKey);
    const put = network.nodes[1]?.node.put({ key, content, replication: 20, ttlMs: 3_600_000 });
    if (put) await clock.until(put);
  }
  // Searches that follow the clock would be taken for what a request makes a node do; those of node.ts come every ten
  // minutes, and all is over by then.
  for (const { node } of network.nodes) {
    const pool = node.privateLookups?.paths?.pool;
    if (pool) Object.assign(pool, { refresh: () => {} });
  }
  const times = { direct: [] as number[], private: [] as number[] };
  let tainted = 0;
  let strangers = 0;
  const { seen, asked } = watch(network, ciphers);
  for (let i = 0; i < gets; i++) {
    const { publicKey: key } = owners[i % owners.length] as (typeof owners)[0];
    const { node } = network.nodes[(i * 7 + 3) % nodes] as (typeof network.nodes)[0];
    if (node.network.parts.store.get(key, clock.now()).length > 0) continue;
    for (const way of ['direct', 'private'] as const) {
      // What a direct GET has sent is under way when it has found enough.
      await clock.advance(LANDED_MS);
      seen.length = 0;
      asked.length = 0;
      const forOthers = () => node.counters.get('onionsRelayed') + node.counters.get('onionsServed');
      const before = forOthers();
      const startMs = clock.now();
      let firstMs = 0;
      const lookups = way === 'direct' ? node : node.lookups;
      await clock.until(
        lookups.get(key, () => {
          firstMs ||= clock.now() - startMs;
        }),
      );
      times[way].push(firstMs);
      if (way === 'direct') continue;
      const { self } = node.network.parts;
      const address = Buffer.from((self.ipv4 ?? '').split('.').map(Number));
      const marks = [self.identity, self.key, address, Buffer.from(self.id), Buffer.from(self.ipv4 ?? '')];
      const hosts = new Set(asked.filter(({ from }) => from === self.ipv4).map(({ to }) => to));
      const pinned = node.privateLookups?.paths?.firstHop()?.ipv4;
      hosts.delete(pinned ?? '');
      if (forOthers() === before) strangers += hosts.size;
      for (const { at, plaintext } of seen) {
        const { endpoint } = network.nodes[at] as (typeof network.nodes)[0];
        if (endpoint.host === self.ipv4 || endpoint.host === pinned) continue;
        const said = withoutContacts(plaintext);
        if (marks.some((mark) => said.includes(mark))) tainted += 1;
      }
    }
    await clock.advance(3_000);
  }
  network.close();
  return {
    ...{ nodes, gets: times.private.length, roundTripMs: 2 * network.delayMs, tainted, strangers },
    ...{ directP50Ms: quantile(times.direct, 0.5), privateP50Ms: quantile(times.private, 0.5) },
    ...{ directP99Ms: quantile(times.direct, 0.99), privateP99Ms: quantile(times.private, 0.99) },
  };
}
