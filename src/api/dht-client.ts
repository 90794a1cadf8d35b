/**
 * Role: GET, PUT and TRACE as single calls on any DHT that speaks the API (Spec 3.1).
 *
 * Invariants: each call opens a connection of its own and closes it; no call outlives its timeout. A GET's
 * replies have no end mark: it ends by ERROR, by the settle window after the first reply that counts, by its caller, or
 * by its timeout.
 *
 * Not here: what the content means.
 */

import { PeerError } from '../errors.js';
import { type ApiMessage, MESSAGE_TYPE, type PeerAddress } from '../wire/message.js';
import { ApiClient, type ApiEndpoint } from './client.js';

export interface DhtGetOptions {
  /** For the whole call. */
  readonly timeoutMs: number;
  /** How long to wait for further contents after the first that counts. Default 1 000. */
  readonly settleMs?: number;
  /** Asked once of each content, whether it counts: by default all do. Whoever can store junk must not end the call with it. */
  readonly counts?: (content: Buffer) => boolean;
  readonly signal?: AbortSignal;
  /** Sees each content as it comes; returning true ends the call. */
  readonly onContent?: (content: Buffer) => boolean | undefined;
}

export interface DhtPutOptions {
  /** For the connection. Default 5 000. */
  readonly timeoutMs?: number;
  /** How long to listen for an ERROR: a PUT that works has no answer. Default 1 000. */
  readonly errorWindowMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * All contents found. Empty if the DHT answered with ERROR, which means that there is none.
 *
 * Errors: 'timeout' (no answer at all), 'aborted', 'api-unreachable', 'api-closed', 'api-violation'.
 */
export async function dhtGet(endpoint: ApiEndpoint, key: Buffer, options: DhtGetOptions): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  const { settleMs = 1_000, counts = () => true } = options;
  let settling = false;
  try {
    await converse(endpoint, { type: 'dht-get', key }, options, (message, end, extend) => {
      if (message.type === 'dht-get-reply' && message.key.equals(key)) {
        contents.push(message.content);
        if (counts(message.content) && !settling) {
          settling = true;
          extend(settleMs);
        }
        if (options.onContent?.(message.content) === true) end();
      } else if (isError(message, MESSAGE_TYPE.dhtGet, key)) {
        end();
      }
    });
  } catch (error) {
    if (contents.length === 0) throw error;
  }
  return contents;
}

/**
 * Stores `content` (0 to 65 491 bytes) for `ttlSeconds` (at most 43 200) at `replication` peers (0: as the DHT
 * is configured). Resolves when no ERROR came within the window.
 *
 * Errors: 'dht-error' (it could not be stored), and those of the connection as for {@link dhtGet}.
 */
export async function dhtPut(
  endpoint: ApiEndpoint,
  key: Buffer,
  content: Buffer,
  ttlSeconds: number,
  replication: number,
  options: DhtPutOptions = {},
): Promise<void> {
  const { errorWindowMs = 1_000, timeoutMs = 5_000 } = options;
  let refused = false;
  const put: ApiMessage = { type: 'dht-put', key, content, ttlSeconds, replication };
  const limits = { ...options, timeoutMs, answerMs: errorWindowMs };
  await converse(endpoint, put, limits, (message, end) => {
    if (isError(message, MESSAGE_TYPE.dhtPut, key)) {
      refused = true;
      end();
    }
  });
  if (refused) throw new PeerError('dht-error', 'the DHT could not store the content');
}

/**
 * The peers on the way to `key`, the target first.
 *
 * Errors: 'dht-error' (the DHT answered with ERROR), 'timeout', and those of the connection.
 */
export async function dhtTrace(
  endpoint: ApiEndpoint,
  key: Buffer,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<PeerAddress[]> {
  let hops: readonly PeerAddress[] | null = null;
  const limits = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
  await converse(endpoint, { type: 'dht-trace', key }, limits, (message, end) => {
    if (message.type === 'dht-trace-reply' && message.key.equals(key)) {
      hops = message.hops;
      end();
    } else if (isError(message, MESSAGE_TYPE.dhtTrace, key)) {
      end();
    }
  });
  if (hops === null) throw new PeerError('dht-error', 'the DHT could not trace the key');
  return [...(hops as readonly PeerAddress[])];
}

type Listener = (message: ApiMessage, end: () => void, extend: (ms: number) => void) => void;

interface Limits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Where given: silence of this length is the good answer. */
  readonly answerMs?: number;
}

/** Sends one request and hands replies to `listener` until that ends it, or time is up. */
async function converse(
  endpoint: ApiEndpoint,
  request: ApiMessage,
  limits: Limits,
  listener: Listener,
): Promise<void> {
  const { timeoutMs, signal, answerMs } = limits;
  const deadline = performance.now() + timeoutMs;
  const connect = { ...endpoint, timeoutMs };
  const client = await ApiClient.connect(signal === undefined ? connect : { ...connect, signal });
  try {
    await new Promise<void>((resolve, reject) => {
      let settling = answerMs !== undefined;
      let timer = setTimeout(() => onTime(), answerMs ?? deadline - performance.now());
      const onTime = () =>
        settling ? resolve() : reject(new PeerError('timeout', `the DHT did not answer in ${timeoutMs} ms`));
      const extend = (ms: number) => {
        settling = true;
        clearTimeout(timer);
        timer = setTimeout(onTime, Math.max(0, Math.min(ms, deadline - performance.now())));
      };
      client.onMessage((message) => listener(message, resolve, extend));
      client.send(request);
      void client.closed.then((failure) => {
        clearTimeout(timer);
        if (signal?.aborted) reject(new PeerError('aborted', 'the request to the DHT was given up'));
        else reject(failure ?? new PeerError('api-closed', 'the DHT closed the connection'));
      });
    });
  } finally {
    client.close();
  }
}

function isError(message: ApiMessage, requestType: number, key: Buffer): boolean {
  return message.type === 'dht-error' && message.requestType === requestType && message.key.equals(key);
}
