/** What tests of private lookups share: networks that are ready for them, requests, and what the status says. */
import type { DhtNode } from '../../../src/dht/node.js';
import { VirtualNetwork } from '../../../src/eval/sim/virtual-network.js';
import { encodeSignedValue } from '../../../src/identity/signed-value.js';
import { createPseudoKey } from './pseudo-key.js';
import { makePrivate } from './stand-in-onions.js';

export const HOUR_MS = 3_600_000;

export const at = (network: VirtualNetwork, index: number) => network.nodes[index]?.node as DhtNode;

export async function getAll(network: VirtualNetwork, node: DhtNode, key: Buffer): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  await network.clock.until(node.lookups.get(key, (content) => contents.push(content)));
  return contents;
}

export function put(network: VirtualNetwork, node: DhtNode, key: Buffer, content: Buffer, replication = 5) {
  return network.clock.until(node.lookups.put({ key, content, replication, ttlMs: HOUR_MS }));
}

export async function privateNetwork(
  seed: string,
  count: number,
): Promise<{ network: VirtualNetwork; warnings: string[] }> {
  const network = new VirtualNetwork(seed);
  const { warnings } = makePrivate(network);
  await network.grow(count);
  // Until first hops are pinned.
  await network.clock.advance(70_000);
  return { network, warnings };
}

export interface Status {
  readonly hops: number;
  readonly warning?: string;
  readonly pinned: number;
  readonly suspects: number;
  readonly onions: number;
  readonly failed: number;
  readonly gets: number;
}
export const status = (node: DhtNode) => node.status().privateLookups as Status;

/** The node that is the first hop of all of `node`'s onions. */
export function firstHop(network: VirtualNetwork, node: DhtNode): number {
  const first = node.privateLookups?.paths?.firstHop();
  return network.nodes.findIndex((entry) => entry.node.network.parts.self.id === first?.id);
}

/** A key, and values that it has signed for an hour from now on. */
export function signedValues(network: VirtualNetwork, seed: string) {
  const { publicKey, secretKey } = createPseudoKey(seed);
  const expirySeconds = Math.floor((network.clock.now() + HOUR_MS) / 1_000);
  const value = (sequence: bigint) =>
    encodeSignedValue({ sequence, expirySeconds, payload: Buffer.from(`${sequence}`) }, publicKey, secretKey);
  return { key: publicKey, value };
}
