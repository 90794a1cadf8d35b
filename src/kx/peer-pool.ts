/**
 * Role: the peers from which paths are chosen, gathered by DHT TRACE of random keys (Spec 3.1.3).
 *
 * Invariants: the pool is bounded; a peer that was not seen for MAX_AGE_MS leaves it; it is filled by several traces, of
 * which none gives more than MAX_PER_TRACE, and remembers which, so that none decides a path; one refill runs at a time.
 *
 * Not here: the choice of a path (path.ts).
 */

import { randomBytes, randomInt } from 'node:crypto';
import type { ApiEndpoint } from '../api/client.js';
import { dhtTrace } from '../api/dht-client.js';
import type { Logger } from '../log.js';
import { type Families, reachableAddress } from './addresses.js';

/** A peer with the one address by which it is reached. */
export interface Candidate {
  readonly identity: Buffer;
  readonly address: string;
  readonly port: number;
  /** The number of the trace that has shown it last; absent where none has. */
  readonly trace?: number;
}

const MAX_PEERS = 256;
const MAX_AGE_MS = 10 * 60_000;
const REFRESH_AFTER_MS = 60_000;
/** Traces of one refill; more until there are twice the peers that are wanted, so that some may fail. */
const TRACES = 3;
const MAX_TRACES = 12;
const TRACE_TIMEOUT_MS = 5_000;
/** Peers taken from one trace: whoever answers it must not fill the pool. */
const MAX_PER_TRACE = 16;

interface Entry {
  readonly candidate: Candidate;
  readonly seenAt: number;
}

export interface PeerPoolOptions {
  readonly dht: ApiEndpoint;
  readonly self: Buffer;
  readonly families: Families;
  readonly log: Logger;
}

export class PeerPool {
  readonly #options: PeerPoolOptions;
  readonly #entries = new Map<string, Entry>();
  #refill: Promise<void> | null = null;
  #refilledAt = Number.NEGATIVE_INFINITY;
  #traces = 0;

  constructor(options: PeerPoolOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The known peers, after a refill where there are fewer than `wanted` or the last one is long ago. */
  async peers(wanted: number): Promise<Candidate[]> {
    this.#expire();
    if (this.#entries.size < wanted || Date.now() - this.#refilledAt > REFRESH_AFTER_MS) {
      this.#refill ??= new Promise((resolve) => void this.#fill(wanted, resolve));
      // A pool that suffices need not wait for fresher peers.
      if (this.#entries.size < wanted) await this.#refill;
    }
    return [...this.#entries.values()].map((entry) => entry.candidate);
  }

  /** A peer has failed as a hop: not to be chosen until a trace shows it again. */
  forget(identity: Buffer): void {
    this.#entries.delete(identity.toString('hex'));
  }

  /** Calls `onEnough` with the `wanted` ones, at the latest at its end, and goes on for the reserve. */
  async #fill(wanted: number, onEnough: () => void): Promise<void> {
    for (let trace = 0; trace < MAX_TRACES; trace += 1) {
      if (trace >= TRACES && this.#entries.size >= wanted) onEnough();
      if (trace >= TRACES && this.#entries.size >= 2 * wanted) break;
      await this.#trace();
    }
    this.#refilledAt = Date.now();
    this.#refill = null;
    onEnough();
  }

  async #trace(): Promise<void> {
    const { dht, self, families, log } = this.#options;
    this.#traces += 1;
    const trace = this.#traces;
    try {
      const usable = (await dhtTrace(dht, randomBytes(32), TRACE_TIMEOUT_MS)).flatMap((hop) => {
        const address = reachableAddress(hop, families);
        if (address === null || hop.kxPort === 0 || hop.identity.equals(self)) return [];
        return [{ identity: hop.identity, address, port: hop.kxPort, trace }];
      });
      while (usable.length > MAX_PER_TRACE) usable.splice(randomInt(usable.length), 1);
      for (const candidate of usable) this.#add(candidate);
    } catch (error) {
      log.debug({ err: error }, 'a trace for peers failed');
    }
  }

  #add(candidate: Candidate): void {
    const key = candidate.identity.toString('hex');
    this.#entries.delete(key);
    if (this.#entries.size >= MAX_PEERS) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(key, { candidate, seenAt: Date.now() });
  }

  #expire(): void {
    const oldest = Date.now() - MAX_AGE_MS;
    for (const [key, entry] of this.#entries) if (entry.seenAt < oldest) this.#entries.delete(key);
  }
}
