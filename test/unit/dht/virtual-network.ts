/**
 * A network of DHT nodes in one process and in virtual time: production nodes on a virtual clock, datagrams and
 * streams that are delivered after a delay, and stand-in cryptography of equal sizes (which protects nothing).
 */
import { createHash } from 'node:crypto';
import type {
  ByteStream,
  Clock,
  DatagramTransport,
  Endpoint,
  Random,
  StreamHandlers,
  StreamTransport,
} from '../../../src/dht/environment.js';
import { DhtNode, type DhtNodeOptions } from '../../../src/dht/node.js';
import { epochAt, verifyPosition } from '../../../src/dht/position.js';
import { CERTIFICATE_BYTES, type SecureChannel } from '../../../src/dht/secure-channel.js';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Time that goes on only when told to, in the order of the timers. */
export class VirtualClock implements Clock {
  #nowMs = 1_800_000_000_000;
  #order = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }
  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run, cancelled: false };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#timers[middle] as Timer;
      if (other.atMs > timer.atMs || (other.atMs === timer.atMs && other.order > timer.order))
        low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return timer;
  }
  clearTimer(handle: unknown): void {
    if (handle) (handle as Timer).cancelled = true;
  }
  /** Runs everything that is due within the next `ms` milliseconds. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    while ((this.#timers.at(-1)?.atMs ?? Number.POSITIVE_INFINITY) <= endMs) await this.#step();
    this.#nowMs = endMs;
  }
  /** Runs until the promise settles. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await flush();
    while (!settled && this.#timers.length > 0) await this.#step();
    if (!settled) throw new Error('virtual time ended before the promise settled');
    return promise;
  }
  async #step(): Promise<void> {
    const timer = this.#timers.pop();
    if (!timer || timer.cancelled) return;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.run();
    await flush();
  }
}

/** Lets promise reactions run. */
async function flush(): Promise<void> {
  for (let i = 0; i < 4; i++) await null;
}

/** Deterministic: a counter through SHA-256. */
export class SeededRandom implements Random {
  #counter = 0;
  constructor(readonly seed: string) {}
  bytes(length: number): Buffer {
    const parts: Buffer[] = [];
    for (let have = 0; have < length; have += 32) {
      parts.push(
        createHash('sha256')
          .update(`${this.seed}|${this.#counter++}`)
          .digest(),
      );
    }
    return Buffer.concat(parts).subarray(0, length);
  }
  fraction(): number {
    return this.bytes(4).readUInt32BE() / 2 ** 32;
  }
}

export function standInCertificate(identity: Buffer, key: Buffer): Buffer {
  return Buffer.concat([identity, key], CERTIFICATE_BYTES);
}

const hash = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

/** Same sizes and the same refusals as Noise IK, at next to no cost. */
export function standInChannel(identity: Buffer, key: Buffer, random: Random): SecureChannel {
  const tag = (frameKey: Buffer, counter: number, header: Buffer, plaintext: Buffer) =>
    hash(frameKey, Buffer.from(`${counter}`), header, plaintext).subarray(0, 16);
  return {
    certificate: standInCertificate(identity, key),
    initiate(_purpose, remoteKey, payload) {
      const salt = random.bytes(32);
      const shared = hash(salt, key, remoteKey, payload);
      return {
        message: Buffer.concat([salt, key, remoteKey, payload]),
        finish(reply) {
          if (reply.length < 48 || !reply.subarray(0, 32).equals(shared)) return null;
          const body = reply.subarray(48);
          if (!reply.subarray(32, 48).equals(hash(shared, body).subarray(0, 16))) return null;
          return {
            payload: body,
            keys: { sendKey: hash(shared, Buffer.of(1)), receiveKey: hash(shared, Buffer.of(2)) },
          };
        },
      };
    },
    respond(_purpose, message) {
      if (message.length < 96 || !message.subarray(64, 96).equals(key)) return null;
      const remoteKey = Buffer.from(message.subarray(32, 64));
      const shared = hash(message.subarray(0, 32), remoteKey, key, message.subarray(96));
      return {
        remoteKey,
        payload: message.subarray(96),
        reply: (payload) => ({
          message: Buffer.concat([shared, hash(shared, payload).subarray(0, 16), payload]),
          keys: { sendKey: hash(shared, Buffer.of(2)), receiveKey: hash(shared, Buffer.of(1)) },
        }),
      };
    },
    seal: (frameKey, counter, header, plaintext) =>
      Buffer.concat([plaintext, tag(frameKey, counter, header, plaintext)]),
    open(frameKey, counter, header, sealed) {
      const split = sealed.length - 16;
      if (split < 0) return null;
      const plaintext = Buffer.from(sealed.subarray(0, split));
      return sealed.subarray(split).equals(tag(frameKey, counter, header, plaintext)) ? plaintext : null;
    },
    readCertificate: (bytes, nowSeconds) => ({
      identity: bytes.subarray(0, 32),
      key: bytes.subarray(32, 64),
      expirySeconds: nowSeconds + 86_400,
    }),
  };
}

class VirtualStream implements ByteStream {
  peer: VirtualStream | null = null;
  #handlers: StreamHandlers | null = null;
  #waiting: Buffer[] = [];
  #closed = false;
  constructor(
    readonly clock: Clock,
    readonly delayMs: number,
    readonly remote: Endpoint,
  ) {}
  start(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    for (const bytes of this.#waiting.splice(0)) handlers.onData(bytes);
  }
  write(bytes: Buffer): void {
    const copy = Buffer.from(bytes);
    if (!this.#closed) this.clock.setTimer(this.delayMs, () => this.peer?.receive(copy));
  }
  end(): void {
    this.clock.setTimer(this.delayMs + 1, () => {
      this.peer?.close();
      this.close();
    });
  }
  destroy(): void {
    this.clock.setTimer(0, () => {
      this.peer?.close();
      this.close();
    });
  }
  receive(bytes: Buffer): void {
    if (this.#closed) return;
    if (this.#handlers) this.#handlers.onData(bytes);
    else this.#waiting.push(bytes);
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers?.onClose();
  }
}

export interface VirtualNode {
  readonly node: DhtNode;
  readonly endpoint: Endpoint;
  /** Takes nothing and says nothing while set. */
  silent: boolean;
}

export class VirtualNetwork {
  readonly clock = new VirtualClock();
  readonly nodes: VirtualNode[] = [];
  readonly #byHost = new Map<string, VirtualNode>();
  readonly #random: SeededRandom;
  /** Each datagram that was delivered passes here; false loses it. */
  filter: (from: Endpoint, to: Endpoint, bytes: Buffer) => boolean = () => true;
  /** One way. */
  delayMs = 10;
  /** Gives further nodes their part in private lookups. */
  onions: (key: Buffer, random: Random) => DhtNodeOptions['onions'] | undefined = () => undefined;

  constructor(seed: string) {
    this.#random = new SeededRandom(seed);
  }

  /**
   * Adds a node that knows the first one; it starts at once.
   * @param lies `identity`: claims an identity that its certificate does not have; `position`: a proof of last epoch
   */
  add(lies: 'identity' | 'position' | 'none' = 'none'): VirtualNode {
    const index = this.nodes.length;
    const endpoint: Endpoint = { family: 4, host: `10.0.${index >> 8}.${index & 255}`, port: 3000 };
    const random = new SeededRandom(`node ${index} ${this.#random.seed}`);
    const identity = random.bytes(32);
    const key = random.bytes(32);
    const nowSeconds = this.clock.now() / 1000;
    const proof = { epoch: epochAt(identity, nowSeconds), nonce: random.bytes(8) };
    const position = verifyPosition(identity, proof, nowSeconds, 0) as Buffer;
    if (lies === 'position') proof.epoch -= 3;
    const certified = lies === 'identity' ? random.bytes(32) : identity;
    const id = identity.toString('hex');
    const self = { id, identity, key, proof, position, ipv4: endpoint.host, ipv6: null, port: endpoint.port };
    const first = this.nodes[0];
    const onions = this.onions(key, random);
    const node = new DhtNode({
      ...(onions ? { onions } : {}),
      clock: this.clock,
      random,
      datagrams: this.#datagrams(endpoint),
      streams: this.#streams(endpoint),
      channel: standInChannel(certified, key, random),
      self,
      kx: { port: 4000 + index, ipv4: Buffer.of(10, 0, index >> 8, index & 255), ipv6: null },
      hostlist: async () => (first ? [first.endpoint] : []),
      puzzleBits: 0,
    });
    const entry: VirtualNode = { node, endpoint, silent: false };
    this.nodes.push(entry);
    this.#byHost.set(endpoint.host, entry);
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

  close(): void {
    for (const { node } of this.nodes) node.close();
  }

  #alive(endpoint: Endpoint): VirtualNode | null {
    const entry = this.#byHost.get(endpoint.host);
    return entry && !entry.silent ? entry : null;
  }

  #datagrams(from: Endpoint): DatagramTransport {
    return {
      reaches: (family) => family === 4,
      send: (to, datagram) => {
        const bytes = Buffer.from(datagram);
        if (!this.#alive(from) || !this.filter(from, to, bytes)) return;
        this.clock.setTimer(this.delayMs, () => this.#alive(to)?.node.handleDatagram(from, bytes));
      },
    };
  }

  #streams(from: Endpoint): StreamTransport {
    return { connect: (to) => this.openStream(from, to) };
  }

  /** A stream from anywhere to a node. */
  openStream(from: Endpoint, to: Endpoint): ByteStream {
    const near = new VirtualStream(this.clock, this.delayMs, to);
    const far = new VirtualStream(this.clock, this.delayMs, from);
    near.peer = far;
    far.peer = near;
    this.clock.setTimer(this.delayMs, () => this.#alive(to)?.node.handleStream(far));
    return near;
  }
}
