/** Named counters for status(): what was served, and what was dropped and why. */

export type CounterName =
  | 'datagramsIn'
  | 'datagramsOut'
  | 'bytesIn'
  | 'bytesOut'
  | 'requestsServed'
  | 'requestsSent'
  | 'requestsAnswered'
  | 'requestsFailed'
  | 'handshakesServed'
  | 'handshakesStarted'
  | 'streamsServed'
  | 'streamsStarted'
  | 'dropMalformed'
  | 'dropRateLimited'
  | 'dropHandshake'
  | 'dropCertificate'
  | 'dropPosition'
  | 'dropReplayed'
  | 'dropForged'
  | 'dropUnknownSession'
  | 'dropUnknownAnswer'
  | 'dropContact'
  | 'dropPrefix'
  | 'dropStreamLimit'
  | 'replicasNotHeld'
  | 'storesFull'
  | 'storesStale'
  | 'storesRefused'
  | 'onionsMade'
  | 'onionsProbing'
  | 'onionsRelayed'
  | 'onionsServed'
  | 'onionsFailed'
  | 'dropOnion'
  | 'dropOnionStale'
  | 'dropOnionReplayed'
  | 'dropOnionLimit'
  | 'dropReply'
  | 'internalErrors';

export class Counters {
  readonly #counts = new Map<CounterName, number>();

  add(name: CounterName, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }
  get(name: CounterName): number {
    return this.#counts.get(name) ?? 0;
  }
  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a.localeCompare(b)));
  }
}
