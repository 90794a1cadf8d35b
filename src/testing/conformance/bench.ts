/**
 * Role: what a check works with: connections to the module under test, requests, and what answers they have.
 *
 * Invariants: all connections end with the check; keys and pseudo-identities are drawn afresh, so that checks do not meet.
 *
 * Not here: the bytes of a connection (wire-client.ts), what must hold (the checks).
 */

import { randomBytes } from 'node:crypto';
import { type ApiMessage, decodeMessage, encodeMessage, type PeerAddress } from '../../wire/message.js';
import type { KnownPeer } from '../known-peers.js';
import { CheckFailed, expect, NotChecked, type TestedModule } from './check.js';
import { type Arrival, WireClient } from './wire-client.js';

const CONNECT_MS = 5_000;
const POLL_MS = 50;
const SHOWN_BYTES = 48;

export interface BenchOptions {
  readonly module: TestedModule;
  readonly host: string;
  readonly port: number;
  /** How long an answer may take. */
  readonly patienceMs: number;
  /** How long nothing must come where nothing may come. */
  readonly quietMs: number;
  /** The TTL of contents whose end is waited for. */
  readonly ttlSeconds: number;
  /** How much later they may be gone: whoever keeps them need not look at the clock all the time. */
  readonly ttlGraceMs: number;
  /** What is known of the network around the module. */
  readonly peers: readonly KnownPeer[];
  /** Where other modules of the same network listen. */
  readonly others: readonly { readonly host: string; readonly port: number }[];
}

export type MessageOf<Type extends ApiMessage['type']> = Extract<ApiMessage, { type: Type }>;

export class Bench {
  readonly options: BenchOptions;
  readonly #clients = new Set<WireClient>();
  readonly #more: Bench[] = [];
  #hasEnded = false;

  constructor(options: BenchOptions) {
    this.options = options;
  }

  async connect(): Promise<WireClient> {
    const { host, port } = this.options;
    const client = await WireClient.connect(host, port, CONNECT_MS);
    this.#clients.add(client);
    if (this.#hasEnded) {
      client.destroy();
      throw new CheckFailed('the time for this check is over');
    }
    return client;
  }

  /** The same for another module of the network; it ends with this one. Throws NotChecked where none is known. */
  other(): Bench {
    const [endpoint] = this.options.others;
    if (endpoint === undefined) throw new NotChecked('needs --other, a module in the same network');
    const bench = new Bench({ ...this.options, ...endpoint });
    this.#more.push(bench);
    return bench;
  }

  end(): void {
    for (const bench of this.#more) bench.end();
    this.#hasEnded = true;
    for (const client of this.#clients) client.destroy();
  }

  randomId(): Buffer {
    return randomBytes(32);
  }

  /** A request that every module answers with ERROR at once, as there is nothing that it could be about. */
  probe(key: Buffer = this.randomId()): ApiMessage {
    return this.options.module === 'dht'
      ? { type: 'dht-get', key }
      : { type: 'kx-destroy', pseudoIdentity: key };
  }

  /** The peer of `--peers` to which tunnels are built. Throws NotChecked where none is known. */
  exchangePoint(): PeerAddress {
    const peer = this.options.peers.at(-1);
    if (peer === undefined) throw new NotChecked('needs --peers, whose last peer is the exchange point');
    return peer;
  }

  /** The next message of the client; what is none, silence and the end fail the check. */
  async message(client: WireClient, what: string, limitMs = this.options.patienceMs): Promise<ApiMessage> {
    const arrival = await client.next(limitMs);
    if (arrival.kind !== 'frame') throw new CheckFailed(`${what}: expected an answer, ${describe(arrival)}`);
    const decoded = decodeMessage(arrival.frame);
    if (decoded.ok) return decoded.message;
    throw new CheckFailed(`${what}: the answer is malformed: ${decoded.violation}`);
  }

  /** Sends a request on a connection of its own and gives its answer. */
  async ask(request: ApiMessage, what: string = request.type): Promise<ApiMessage> {
    const client = await this.connect();
    await client.send(encodeMessage(request));
    const answer = await this.message(client, what);
    client.destroy();
    return answer;
  }

  /** As {@link ask} for an answer of one type only. */
  async askFor<Type extends ApiMessage['type']>(request: ApiMessage, type: Type): Promise<MessageOf<Type>> {
    const answer = await this.ask(request);
    expect(answer.type === type, `${request.type}: expected ${type}, got ${answer.type}`);
    return answer as MessageOf<Type>;
  }

  /** Fails the check if anything comes, or the end. */
  async nothingComes(client: WireClient, why: string): Promise<void> {
    const arrival = await client.next(this.options.quietMs);
    const isQuiet = arrival.kind === 'silence' && arrival.rest.length === 0;
    expect(isQuiet, `${why}: expected nothing, ${describe(arrival)}`);
  }

  /** Fails the check unless the probe is answered on this connection. */
  async isServed(client: WireClient, why: string): Promise<void> {
    await client.send(encodeMessage(this.probe()));
    await this.message(client, why);
  }

  /** Fails the check unless the connection is closed, whatever comes before. */
  async isClosed(client: WireClient, why: string): Promise<void> {
    const end = performance.now() + this.options.patienceMs;
    for (;;) {
      const arrival = await client.next(Math.max(0, end - performance.now()));
      if (arrival.kind === 'closed') return;
      expect(arrival.kind === 'frame', `${why}: the connection is still open`);
    }
  }

  /** The contents of a key; none where there is nothing. Fails the check on any other answer than the two. */
  async get(key: Buffer, expected: number): Promise<Buffer[]> {
    const client = await this.connect();
    await client.send(encodeMessage({ type: 'dht-get', key }));
    const contents: Buffer[] = [];
    const { patienceMs, quietMs } = this.options;
    while (contents.length < expected) {
      const arrival = await client.next(contents.length === 0 ? patienceMs : quietMs * 4);
      if (arrival.kind !== 'frame') {
        expect(contents.length > 0, `dht-get: expected an answer, ${describe(arrival)}`);
        break;
      }
      const decoded = decodeMessage(arrival.frame);
      expect(decoded.ok, `dht-get: the answer is malformed: ${decoded.ok ? '' : decoded.violation}`);
      if (decoded.message.type === 'dht-error') break;
      expect(decoded.message.type === 'dht-get-reply', `dht-get: got ${decoded.message.type}`);
      contents.push(decoded.message.content);
    }
    client.destroy();
    return contents;
  }

  /** PUT has no answer: gets until as many contents are there as are expected; gives what was found in the end. */
  async getUntil(
    key: Buffer,
    isEnough: (contents: readonly Buffer[]) => boolean,
    expected = 1,
  ): Promise<Buffer[]> {
    const end = performance.now() + this.options.patienceMs;
    for (;;) {
      const contents = await this.get(key, expected);
      if (isEnough(contents) || performance.now() > end) return contents;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** Completes "expected …, ". */
export function describe(arrival: Arrival): string {
  if (arrival.kind === 'frame') return `got ${shown(arrival.frame)}`;
  const what = arrival.kind === 'closed' ? 'the connection was closed' : 'nothing came in time';
  return arrival.rest.length === 0 ? what : `got ${shown(arrival.rest)}, which is no whole message; ${what}`;
}

function shown(bytes: Buffer): string {
  const more = bytes.length > SHOWN_BYTES ? '…' : '';
  return `${bytes.length} bytes (${bytes.subarray(0, SHOWN_BYTES).toString('hex')}${more})`;
}
