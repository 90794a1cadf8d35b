/**
 * Role: contents that are put and asked for all the time at the APIs of honest peers, over onions as everybody's.
 *
 * Not here: what else goes on meanwhile (attack-trials.ts).
 */

import { randomBytes, randomInt } from 'node:crypto';
import { ApiClient, type ApiEndpoint } from '../../api/client.js';

const CONTENTS = 6;
const CONTENT_BYTES = 300;
const TTL_SECONDS = 7_200;
const PATIENCE_MS = 20_000;
/** Where a liar has given something, no ERROR says that there is nothing else. */
const POLL_MS = 3_000;
const PAUSE_MS = 300;
const PUT_EVERY_MS = 4_000;

interface Kept {
  readonly key: Buffer;
  readonly content: Buffer;
}

export class AttackedContents {
  readonly #kept: Kept[] = [];

  constructor(readonly apis: readonly ApiEndpoint[]) {}

  /** Errors: where a content is not found after its PUT. */
  async fill(): Promise<void> {
    while (this.#kept.length < CONTENTS) this.#kept.push(await this.#put());
  }

  /** GETs of what was put before, at any peer, and PUTs of more, until `over`; milliseconds to the right content, null where it did not come. */
  async askAgainAndAgain(over: () => boolean): Promise<(number | null)[]> {
    const gets: (number | null)[] = [];
    const getting = async () => {
      while (!over()) {
        const { key, content } = this.#kept[randomInt(this.#kept.length)] as Kept;
        gets.push(await this.#get(key, content, PATIENCE_MS));
        await pause(PAUSE_MS);
      }
    };
    const putting = async () => {
      while (!over()) {
        // One that is not found after its PUT is a GET without its content.
        await this.#put().catch(() => gets.push(null));
        await pause(PUT_EVERY_MS);
      }
    };
    await Promise.all([getting(), putting()]);
    return gets;
  }

  async #put(): Promise<Kept> {
    const kept = { key: randomBytes(32), content: randomBytes(CONTENT_BYTES) };
    const client = await ApiClient.connect(this.#any());
    client.send({ type: 'dht-put', ...kept, ttlSeconds: TTL_SECONDS, replication: 0 });
    const end = Date.now() + PATIENCE_MS;
    try {
      while ((await this.#get(kept.key, kept.content, POLL_MS)) === null) {
        if (Date.now() > end) throw new Error('a content was not found after its PUT');
        await pause(PAUSE_MS);
      }
    } finally {
      client.close();
    }
    return kept;
  }

  async #get(key: Buffer, content: Buffer, patienceMs: number): Promise<number | null> {
    const begun = performance.now();
    const client = await ApiClient.connect(this.#any());
    try {
      return await new Promise<number | null>((resolve) => {
        const timer = setTimeout(() => resolve(null), patienceMs);
        const settle = (found: boolean) => {
          clearTimeout(timer);
          resolve(found ? performance.now() - begun : null);
        };
        client.onMessage((message) => {
          if (message.type === 'dht-error') settle(false);
          if (message.type === 'dht-get-reply' && message.content.equals(content)) settle(true);
        });
        void client.closed.then(() => settle(false));
        client.send({ type: 'dht-get', key });
      });
    } finally {
      client.close();
    }
  }

  #any(): ApiEndpoint {
    return this.apis[randomInt(this.apis.length)] as ApiEndpoint;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
