/** Role: the faults of a DHT. Not here: those that a KX can have too (api-faults.ts). */

import { type ApiMessage, MESSAGE_TYPE } from '../../wire/message.js';
import type { Fault, FaultHooks } from './fault.js';

type Put = Extract<ApiMessage, { type: 'dht-put' }>;

const KEYED_BYTES = 36;
const HOP_BYTES = 56;
const LONGEST_TTL_SECONDS = 43_200;
const SHORT_CONTENT_BYTES = 32_768;

const fault = (name: string, what: string, check: string, hooks: () => FaultHooks): Fault => ({
  name,
  modules: ['dht'],
  what,
  caughtBy: () => `dht/${check}`,
  hooks,
});

/** A stub that stores something else than it was given, or nothing. */
const putting = (change: (put: Put) => Put | null) => (): FaultHooks => ({
  answers: (request, right) => {
    if (request.type !== 'dht-put') return right(request);
    const changed = change(request);
    return changed === null ? [] : right(changed);
  },
});

/** A stub that changes the 56 bytes of each hop, in place. */
const hopping = (change: (hop: Buffer) => void) => (): FaultHooks => ({
  frame: (frame) => {
    if (frame.readUInt16BE(2) !== MESSAGE_TYPE.dhtTraceReply) return frame;
    for (let at = KEYED_BYTES; at < frame.length; at += HOP_BYTES) change(frame.subarray(at, at + HOP_BYTES));
    return frame;
  },
});

/** A stub that changes its right answers. */
const answering =
  (change: (answers: ApiMessage[], request: ApiMessage) => ApiMessage[]) => (): FaultHooks => ({
    answers: (request, right) => change(right(request), request),
  });

export const DHT_FAULTS: readonly Fault[] = [
  fault(
    'trace-port-little-endian',
    'writes the KX port of a hop with its low byte first',
    '3.1.5/hop-addresses',
    hopping((hop) => hop.writeUInt16LE(hop.readUInt16BE(32), 32)),
  ),
  fault(
    'trace-port-before-identity',
    'lays a hop out as in BUILD',
    '3.1.5/hop-addresses',
    hopping((hop) => {
      const port = Buffer.from(hop.subarray(32, 36));
      hop.copyWithin(4, 0, 32);
      port.copy(hop, 0);
    }),
  ),
  fault(
    'trace-reserved-not-zero',
    'fills the reserved bytes of a hop',
    '3.1.5/reserved-zero',
    hopping((hop) => hop.writeUInt16BE(0xffff, 34)),
  ),
  fault(
    'trace-hops-reversed',
    'puts the target of a TRACE last',
    '3.1.5/target-first',
    answering((answers) =>
      answers.map((answer) =>
        answer.type === 'dht-trace-reply' ? { ...answer, hops: [...answer.hops].reverse() } : answer,
      ),
    ),
  ),
  fault(
    'trace-without-hops',
    'answers TRACE without any hop',
    '3.1.5/has-target',
    answering((answers) =>
      answers.map((answer) => (answer.type === 'dht-trace-reply' ? { ...answer, hops: [] } : answer)),
    ),
  ),
  fault(
    'trace-error-without-data',
    'answers TRACE with ERROR where nothing is stored',
    '3.1.3/target-replies-without-data',
    () => ({
      answers: (request, right) => {
        if (request.type !== 'dht-trace') return right(request);
        const { key } = request;
        const isStored = right({ type: 'dht-get', key }).some(({ type }) => type === 'dht-get-reply');
        return isStored ? right(request) : [{ type: 'dht-error', requestType: MESSAGE_TYPE.dhtTrace, key }];
      },
    }),
  ),
  fault('second-content-lost', 'keeps one content under a key', '3.1/several-contents', () => {
    const kept = new Set<string>();
    return putting((put) => {
      const key = put.key.toString('hex');
      if (kept.has(key)) return null;
      kept.add(key);
      return put;
    })();
  }),
  fault('contents-joined', 'sends all contents of a key in one reply', '3.1.4/a-reply-each', () => ({
    answers: (request, right) => {
      const answers = right(request);
      const contents = answers.flatMap((answer) => (answer.type === 'dht-get-reply' ? [answer.content] : []));
      if (request.type !== 'dht-get' || contents.length < 2) return answers;
      return [{ type: 'dht-get-reply', key: request.key, content: Buffer.concat(contents) }];
    },
  })),
  fault(
    'ttl-ignored',
    'keeps everything for twelve hours',
    '3.1.1/ttl-ends',
    putting((put) => ({ ...put, ttlSeconds: LONGEST_TTL_SECONDS })),
  ),
  fault(
    'ttl-little-endian',
    'reads the TTL with its low byte first',
    '3.1.1/ttl-ends',
    putting((put) => ({ ...put, ttlSeconds: ((put.ttlSeconds & 0xff) << 8) | (put.ttlSeconds >> 8) })),
  ),
  fault('long-ttl-closes', 'closes on a TTL above the maximum', '3.1.1/ttl-above-maximum', () => ({
    refuses: (request) => request.type === 'dht-put' && request.ttlSeconds > LONGEST_TTL_SECONDS,
  })),
  fault(
    'longest-ttl-refused',
    'does not take a TTL of twelve hours',
    '3.1.1/ttl-maximum',
    putting((put) => (put.ttlSeconds === LONGEST_TTL_SECONDS ? null : put)),
  ),
  fault(
    'high-replication-refused',
    'does not take a replication of 255',
    '3.1.1/replication-maximum',
    putting((put) => (put.replication === 255 ? null : put)),
  ),
  fault(
    'empty-content-refused',
    'stores no content of 0 bytes',
    '3.1.1/empty-content',
    putting((put) => (put.content.length === 0 ? null : put)),
  ),
  fault(
    'large-content-cut',
    'cuts contents after 32 KB',
    '3.1.1/largest-content',
    putting((put) => ({ ...put, content: put.content.subarray(0, SHORT_CONTENT_BYTES) })),
  ),
  fault(
    'content-as-text',
    'takes contents for text that ends with a zero byte',
    '3.1.1/any-bytes',
    putting((put) => {
      const end = put.content.indexOf(0);
      return end === -1 ? put : { ...put, content: put.content.subarray(0, end) };
    }),
  ),
  fault('key-cut', 'reads half of each key', '3.1/256-bit-keys', () => ({
    answers: (request, right) => {
      if (!('key' in request)) return right(request);
      const key = Buffer.concat([request.key.subarray(0, 16), Buffer.alloc(16)]);
      return right({ ...request, key }).map((answer) =>
        'key' in answer ? { ...answer, key: request.key } : answer,
      );
    },
  })),
  fault('put-answered', 'answers PUT', '3.1.1/no-answer', () => ({
    answers: (request, right) => {
      if (request.type !== 'dht-put') return right(request);
      return [...right(request), { type: 'dht-get-reply', key: request.key, content: request.content }];
    },
  })),
  fault(
    'reserved-refused',
    'closes where reserved bytes of PUT are not zero',
    '3.1.1/reserved-ignored',
    () => ({
      refuses: (request, bytes) =>
        request.type === 'dht-put' && bytes.subarray(39, 44).some((byte) => byte !== 0),
    }),
  ),
  fault(
    'reply-wrong-key',
    'names another key in GET REPLY',
    '3.1.4/names-key',
    answering((answers) =>
      answers.map((answer) => {
        if (answer.type !== 'dht-get-reply') return answer;
        const key = Buffer.from(answer.key);
        key.writeUInt8(key.readUInt8(0) ^ 0x80, 0);
        return { ...answer, key };
      }),
    ),
  ),
  fault(
    'get-silent',
    'does not answer a GET of nothing',
    '3.1.6/error-for-nothing',
    answering((answers, { type }) =>
      answers.filter((answer) => type !== 'dht-get' || answer.type !== 'dht-error'),
    ),
  ),
];
