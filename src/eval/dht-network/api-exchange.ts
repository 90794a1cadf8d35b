/**
 * Role: single exchanges with a DHT's API, timed or byte by byte.
 *
 * Not here: what they must give (api-limits.ts, goals/).
 */

import { ApiClient, type ApiEndpoint } from '../../api/client.js';
import { PeerError } from '../../errors.js';
import { type ApiMessage, encodeMessage, MESSAGE_TYPE } from '../../wire/message.js';
import { RawConnection } from './raw-connection.js';

/** Bytes of an ERROR (Spec 3.1.6). */
export const ERROR_BYTES = 40;
const ANSWER_MS = 10_000;
const RETRY_MS = 50;

/** Why a GET gave nothing: an ERROR, no answer in time, a connection that was closed or could not be made. */
export type Miss = 'error' | 'late' | 'closed';

/** One client with a connection that lasts; one GET at a time. */
export class LastingClient {
  #settle: (message: ApiMessage) => void = () => {};

  private constructor(readonly client: ApiClient) {
    client.onMessage((message) => this.#settle(message));
  }

  static async connect(endpoint: ApiEndpoint): Promise<LastingClient> {
    return new LastingClient(await ApiClient.connect(endpoint));
  }

  get isOpen(): boolean {
    return this.client.isOpen;
  }

  /** Milliseconds to the content. */
  get(key: Buffer): Promise<number | Miss> {
    const started = performance.now();
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve('late'), ANSWER_MS);
      this.#settle = (message) => {
        clearTimeout(timer);
        resolve(message.type === 'dht-get-reply' ? performance.now() - started : 'error');
      };
      void this.client.closed.then(() => resolve('closed'));
      this.client.send({ type: 'dht-get', key });
    });
  }
}

/** A GET on a connection of its own: milliseconds from before it is made to the content. */
export async function getOnce(endpoint: ApiEndpoint, key: Buffer): Promise<number | Miss> {
  const started = performance.now();
  try {
    const client = await LastingClient.connect(endpoint);
    const answered = await client.get(key);
    client.client.close();
    return typeof answered === 'number' ? performance.now() - started : answered;
  } catch {
    return 'closed';
  }
}

/** Sends bytes on a connection of its own; gives up to `length` bytes of the answer. */
export async function exchange(endpoint: ApiEndpoint, bytes: Buffer, length: number): Promise<Buffer> {
  const connection = new RawConnection(endpoint);
  connection.send(bytes);
  const answer = await connection.read(length, ANSWER_MS);
  connection.destroy();
  return answer;
}

/** Puts a content and asks for it elsewhere until it is there, as a PUT has no answer. Errors: 'dht-put'. */
export async function putUntilFound(
  from: ApiEndpoint,
  at: ApiEndpoint,
  put: { key: Buffer; content: Buffer; ttlSeconds: number; replication: number },
): Promise<void> {
  const connection = new RawConnection(from);
  connection.send(encodeMessage({ type: 'dht-put', ...put }));
  const end = Date.now() + ANSWER_MS;
  const { key } = put;
  while (Date.now() < end) {
    const head = await exchange(at, encodeMessage({ type: 'dht-get', key }), 4);
    if (head.length === 4 && head.readUInt16BE(2) === MESSAGE_TYPE.dhtGetReply) {
      connection.destroy();
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  throw new PeerError('dht-put', `a content of ${put.content.length} bytes was not found after its PUT`);
}
