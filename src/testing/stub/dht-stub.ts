/**
 * Role: a whole DHT in memory, all of whose keys are its own: what `peer test stub dht` does where no script says otherwise.
 *
 * Invariants: contents end with their TTL; bounded: the oldest contents make room.
 *
 * Not here: sockets (stub-server.ts), scripts (script.ts).
 */

import { type ApiMessage, MESSAGE_TYPE, type PeerAddress } from '../../wire/message.js';

const MAX_TTL_SECONDS = 43_200;
const MAX_CONTENTS = 4_096;

interface Stored {
  readonly content: Buffer;
  readonly endMs: number;
}

export class DhtStub {
  readonly #byKey = new Map<string, Stored[]>();
  readonly #hops: readonly PeerAddress[];
  readonly #nowMs: () => number;
  #count = 0;

  /** `hops`: what every TRACE finds, the target first. */
  constructor(hops: readonly PeerAddress[], nowMs: () => number = () => performance.now()) {
    this.#hops = hops;
    this.#nowMs = nowMs;
  }

  answers(request: ApiMessage): ApiMessage[] {
    switch (request.type) {
      case 'dht-put': {
        const { key, content, ttlSeconds } = request;
        if (ttlSeconds === 0) return [{ type: 'dht-error', requestType: MESSAGE_TYPE.dhtPut, key }];
        this.#put(key.toString('hex'), content, ttlSeconds);
        return [];
      }
      case 'dht-get': {
        const { key } = request;
        const found = this.#alive(key.toString('hex'));
        if (found.length === 0) return [{ type: 'dht-error', requestType: MESSAGE_TYPE.dhtGet, key }];
        return found.map(({ content }) => ({ type: 'dht-get-reply', key, content }));
      }
      case 'dht-trace':
        return [{ type: 'dht-trace-reply', key: request.key, hops: this.#hops }];
      default:
        return [];
    }
  }

  #put(key: string, content: Buffer, ttlSeconds: number): void {
    const endMs = this.#nowMs() + Math.min(ttlSeconds, MAX_TTL_SECONDS) * 1000;
    const others = this.#alive(key).filter((stored) => !stored.content.equals(content));
    this.#set(key, [...others, { content, endMs }]);
    while (this.#count > MAX_CONTENTS) this.#set(this.#byKey.keys().next().value as string, []);
  }

  #alive(key: string): readonly Stored[] {
    const stored = this.#byKey.get(key) ?? [];
    const alive = stored.filter(({ endMs }) => endMs > this.#nowMs());
    if (alive.length < stored.length) this.#set(key, alive);
    return alive;
  }

  #set(key: string, stored: Stored[]): void {
    this.#count += stored.length - (this.#byKey.get(key)?.length ?? 0);
    if (stored.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, stored);
  }
}
