/**
 * Role: DHT nodes of ours in one process, on real sockets of 127.0.0.1.
 *
 * Invariants: nodes are those of production with real cryptography, each with an identity of its own. Nothing is hidden from
 * nodes (no private lookups): GETs are those of the node itself, not of the API.
 *
 * Not here: the process (dht-host.ts), what is measured (goals/).
 */

import { randomBytes } from 'node:crypto';
import type { ByteStream, Endpoint } from '../../dht/environment.js';
import { getContents } from '../../dht/get.js';
import { DhtNode } from '../../dht/node.js';
import { noiseChannel } from '../../dht/noise-channel.js';
import { systemClock, systemRandom } from '../../dht/system-environment.js';
import { TcpTransport } from '../../dht/tcp-transport.js';
import { UdpTransport } from '../../dht/udp-transport.js';
import { readDhtCertificate } from '../../engine/dht-certificate.js';
import { ikKey } from '../../engine/ik-handshake.js';
import { releaseMemory } from '../../engine/memory.js';
import { generatePseudoIdentity } from '../../identity/pseudo-identity.js';
import { encodeSignedValue } from '../../identity/signed-value.js';
import type {
  NodeEndpoint,
  PutAnswer,
  PutRequest,
  StartAnswer,
  StoredKey,
} from '../dht-network/host-messages.js';
import type { HostedNodes, RunningGet } from '../dht-network/host-service.js';
import { BENCH_PUZZLE_BITS, type DhtIdentity, loadDhtIdentities } from './dht-identities.js';

const HOST = '127.0.0.1';
const JOIN_MS = 60_000;
const TTL_SECONDS = 3_600;
/** Nodes that join at the same time. */
const JOINS_AT_ONCE = 4;
const PUTS_AT_ONCE = 8;
const PORT_ATTEMPTS = 10;

export class OurNodes implements HostedNodes {
  readonly #nodes: DhtNode[] = [];

  /** @param directory where identities are kept */
  constructor(readonly directory: string) {}

  async start(request: {
    first: number;
    count: number;
    bootstrap: NodeEndpoint | null;
  }): Promise<StartAnswer> {
    const { first, count } = request;
    const identities = (await loadDhtIdentities(this.directory, first + count)).slice(first);
    this.releaseMemory();
    const bytesBefore = process.memoryUsage().rss;
    let bootstrap = request.bootstrap;
    let endpoint: NodeEndpoint | null = null;
    const waiting = [...identities];
    const work = async () => {
      for (let identity = waiting.shift(); identity; identity = waiting.shift()) {
        const { node, port } = await startNode(identity, bootstrap);
        bootstrap ??= { host: HOST, port };
        endpoint ??= { host: HOST, port };
        this.#nodes.push(node);
        await node.ready(JOIN_MS);
        if (node.state !== 'joined') throw new Error(`node ${first + this.#nodes.length} has not joined`);
      }
    };
    await Promise.all(Array.from({ length: bootstrap === null ? 1 : JOINS_AT_ONCE }, work));
    if (endpoint === null) throw new Error('no node was asked for');
    return { endpoint, bytesBefore };
  }

  async put({ count, valueBytes, replication }: PutRequest): Promise<PutAnswer> {
    const keys: StoredKey[] = [];
    const work = async () => {
      while (keys.length < count) {
        const { key, content, signed } = newContent(valueBytes, keys.length % 2 === 0);
        keys.push({ key, signed });
        const stored = await this.#any().put({ key, content, ttlMs: TTL_SECONDS * 1000, replication });
        if (stored < replication / 2) throw new Error(`a value came to ${stored} of ${replication} nodes`);
      }
    };
    await Promise.all(Array.from({ length: PUTS_AT_ONCE }, work));
    return { keys };
  }

  /** From a node that does not hold it itself. */
  get({ key: bytes, signed }: StoredKey): RunningGet {
    const key = Buffer.from(bytes);
    let node = this.#any();
    while (node.network.parts.store.get(key, Date.now()).length > 0) node = this.#any();
    let found: (found: boolean) => void = () => {};
    const first = new Promise<boolean>((resolve) => {
      found = resolve;
    });
    const over = getContents(node.network, key, (_, isSigned) => {
      if (!signed || isSigned()) found(true);
    }).then(() => found(false));
    return { first, over };
  }

  /** As the daemon does (dht/daemon.ts). */
  releaseMemory(): void {
    releaseMemory();
  }

  #any(): DhtNode {
    return this.#nodes[Math.floor(Math.random() * this.#nodes.length)] as DhtNode;
  }
}

async function startNode(
  identity: DhtIdentity,
  bootstrap: NodeEndpoint | null,
): Promise<{ node: DhtNode; port: number }> {
  const { keyPair, certificate, proof, position } = identity;
  let node: DhtNode | null = null;
  const { udp, tcp, port } = await openSockets(
    (from, bytes) => node?.handleDatagram(from, bytes),
    (stream) => node?.handleStream(stream),
  );
  const known = bootstrap === null ? [] : [{ family: 4 as const, ...bootstrap }];
  node = new DhtNode({
    clock: systemClock,
    random: systemRandom,
    datagrams: udp,
    streams: tcp,
    channel: noiseChannel(keyPair, certificate, { ikKey, readDhtCertificate }),
    self: {
      ...{ id: identity.identity.toString('hex'), identity: identity.identity, key: keyPair.publicKey },
      ...{ proof, position, ipv4: HOST, ipv6: null, port },
    },
    kx: { port: 3001, ipv4: Buffer.of(127, 0, 0, 1), ipv6: null },
    hostlist: async () => known,
    puzzleBits: BENCH_PUZZLE_BITS,
  });
  node.start(bootstrap === null);
  return { node, port };
}

/** UDP and TCP on one port that the system chooses. */
async function openSockets(
  onDatagram: (from: Endpoint, bytes: Buffer) => void,
  onStream: (stream: ByteStream) => void,
): Promise<{ udp: UdpTransport; tcp: TcpTransport; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const udp = new UdpTransport();
    const tcp = new TcpTransport();
    const [bound] = await udp.bind([{ family: 4, host: HOST, port: 0 }], onDatagram);
    const port = bound?.port ?? 0;
    try {
      await tcp.listen([{ family: 4, host: HOST, port }], onStream);
      return { udp, tcp, port };
    } catch (error) {
      // Somebody else's TCP has that port.
      await udp.close();
      if (attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

/** A value of `valueBytes` under a key of its own: in a signed envelope, or plain. */
function newContent(valueBytes: number, signed: boolean): { key: Buffer; content: Buffer; signed: boolean } {
  const payload = randomBytes(valueBytes);
  if (!signed) return { key: randomBytes(32), content: payload, signed };
  const { publicKey: key, secretKey } = generatePseudoIdentity();
  const value = { sequence: 1n, expirySeconds: Math.floor(Date.now() / 1000) + TTL_SECONDS, payload };
  return { key, content: encodeSignedValue(value, key, secretKey), signed };
}
