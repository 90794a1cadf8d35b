/**
 * The DHT's API requests (Spec 3.1.1–3.1.6) on a node.
 *
 * Invariants: a GET's replies go out as contents arrive; ERROR comes only when the search has ended with nothing
 * (GET), nobody could store (PUT) or there is no other peer (TRACE); a PUT that worked has no answer. Requests that
 * come before the node has joined wait for that, but not longer than JOIN_WAIT_MS.
 * Not here: framing and API violations (src/api).
 */
import type { ApiConnection } from '../api/server.js';
import { type ApiMessage, TYPE_NUMBER } from '../wire/message.js';
import type { DhtNode } from './node.js';
import { MAX_TTL_MS } from './store.js';

/** Longest wait of a request for the node to join, in milliseconds. */
export const JOIN_WAIT_MS = 5_000;
/** What fits into one message (Spec 3.1.5): (65 535 − 36) / 56. */
const MAX_HOPS = 1169;

export interface DhtApiOptions {
  /** The node of now; the promise resolves when it has started, to null where it never will. */
  readonly node: () => Promise<DhtNode | null>;
  /** Used where a PUT says 0. */
  readonly replication: number;
}

type DhtRequest = Extract<ApiMessage, { type: 'dht-put' | 'dht-get' | 'dht-trace' }>;

export class DhtApi {
  readonly counts = { put: 0, get: 0, trace: 0, errors: 0 };

  constructor(readonly options: DhtApiOptions) {}

  /** Serves one request; resolves when it is served. Never rejects for what a client or another peer does. */
  async handle(client: ApiConnection, message: ApiMessage): Promise<void> {
    if (message.type !== 'dht-put' && message.type !== 'dht-get' && message.type !== 'dht-trace') return;
    // Nobody waits for the answer any more.
    if (!client.isOpen && message.type !== 'dht-put') return;
    const { type, key } = message;
    this.counts[({ 'dht-put': 'put', 'dht-get': 'get', 'dht-trace': 'trace' } as const)[type]] += 1;
    let served = false;
    for (let node = await this.options.node(); node !== null; ) {
      await node.ready(JOIN_WAIT_MS);
      served = (await this.#serve(node, client, message)) || served;
      // One that has made room for another, at a new position, has ended what it had in work; of a PUT some may be done.
      if (node.state !== 'closed' || (served && type !== 'dht-put')) break;
      const next = await this.options.node();
      node = next === node ? null : next;
    }
    if (served) return;
    this.counts.errors += 1;
    client.send({ type: 'dht-error', requestType: TYPE_NUMBER[type], key });
  }

  #serve(node: DhtNode, client: ApiConnection, message: DhtRequest): Promise<boolean> {
    switch (message.type) {
      case 'dht-put':
        return this.#put(node, message);
      case 'dht-get':
        return this.#get(node, client, message.key);
      case 'dht-trace':
        return this.#trace(node, client, message.key);
    }
  }

  async #put(node: DhtNode, put: ApiMessage & { type: 'dht-put' }): Promise<boolean> {
    const ttlMs = Math.min(put.ttlSeconds * 1000, MAX_TTL_MS);
    if (ttlMs === 0) return false;
    const replication = put.replication === 0 ? this.options.replication : put.replication;
    return (await node.lookups.put({ key: put.key, ttlMs, replication, content: put.content })) > 0;
  }

  async #get(node: DhtNode, client: ApiConnection, key: Buffer): Promise<boolean> {
    const found = await node.lookups.get(key, (content) => {
      client.send({ type: 'dht-get-reply', key, content });
    });
    return found > 0;
  }

  async #trace(node: DhtNode, client: ApiConnection, key: Buffer): Promise<boolean> {
    const path = await node.trace(key);
    if (!path) return false;
    const hops = path.slice(0, MAX_HOPS).map(({ identity, kx }) => ({
      identity,
      kxPort: kx.port,
      ipv4: kx.ipv4,
      ipv6: kx.ipv6,
    }));
    client.send({ type: 'dht-trace-reply', key, hops });
    return true;
  }
}
