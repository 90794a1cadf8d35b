/**
 * Role: the hosted side: serves requests of the measuring process over the channel to it, and times GETs.
 *
 * Invariants: one request at a time; the process ends when its channel does.
 *
 * Not here: the nodes (sim/dht-host.ts, hyperdht-host.ts).
 */

import { setTimeout as wait } from 'node:timers/promises';
import type {
  GetAnswer,
  HostAnswers,
  HostRequest,
  MemoryAnswer,
  PutRequest,
  StartRequest,
  StoredKey,
} from './host-messages.js';

/** One GET: `first` says whether a value came that holds, `over` when nothing is done for it any more. */
export interface RunningGet {
  readonly first: Promise<boolean>;
  readonly over: Promise<void>;
}

export interface HostedNodes {
  start(request: StartRequest): Promise<HostAnswers['start']>;
  put(request: PutRequest): Promise<HostAnswers['put']>;
  /** From a node chosen by chance. */
  get(key: StoredKey): RunningGet;
  /** Gives free memory back as those nodes do from time to time, if they do. */
  releaseMemory?(): void;
}

export function serveHost(nodes: HostedNodes): void {
  process.on('message', (request: HostRequest) => {
    answer(nodes, request).then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

function answer(nodes: HostedNodes, request: HostRequest): Promise<HostAnswers[HostRequest['kind']]> {
  switch (request.kind) {
    case 'start':
      return nodes.start(request);
    case 'put':
      return nodes.put(request);
    case 'get':
      return timeGets(request.keys, request.atOnce, (key) => nodes.get(key));
    case 'memory':
      return memory(nodes);
  }
}

/**
 * Gets every key once, `atOnce` at a time. The next GET begins when all that is done for one is over, not with its first
 * value, so what is done behind a first value counts in the rate and disturbs no other GET.
 */
export async function timeGets(
  keys: readonly StoredKey[],
  atOnce: number,
  get: (key: StoredKey) => RunningGet,
): Promise<GetAnswer> {
  const milliseconds: (number | null)[] = new Array(keys.length).fill(null);
  let next = 0;
  const work = async () => {
    for (let index = next++; index < keys.length; index = next++) {
      const started = performance.now();
      const { first, over } = get(keys[index] as StoredKey);
      if (await first) milliseconds[index] = performance.now() - started;
      await over;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { milliseconds };
}

/** V8 gives pages back on a thread of its own, some time after a collection. */
const UNMAPPING_MS = 1_000;
const COLLECTIONS = 3;

/** After collections, where the process was started with `--expose-gc`. */
async function memory(nodes: HostedNodes): Promise<MemoryAnswer> {
  for (let i = 0; i < COLLECTIONS; i++) {
    globalThis.gc?.();
    await wait(UNMAPPING_MS);
  }
  nodes.releaseMemory?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { residentBytes: rss, heapBytes: heapUsed };
}
