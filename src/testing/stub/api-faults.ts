/** Role: the faults that both a DHT and a KX can have. Not here: those of one of them (dht-faults.ts, kx-faults.ts). */

import { type ApiMessage, HEADER_BYTES } from '../../wire/message.js';
import { ERROR_SECTION, type Fault, type FaultHooks, type StubModule } from './fault.js';

const BOTH: readonly StubModule[] = ['dht', 'kx'];

const fault = (name: string, what: string, check: string, hooks: () => FaultHooks): Fault => ({
  name,
  modules: BOTH,
  what,
  caughtBy: (module) => `${module}/3/${check}`,
  hooks,
});
const errorFault = (name: string, what: string, check: string, hooks: () => FaultHooks): Fault => ({
  ...fault(name, what, check, hooks),
  caughtBy: (module) => `${module}/${ERROR_SECTION[module]}/${check}`,
});

const isError = ({ type }: ApiMessage) => type === 'dht-error' || type === 'kx-error';
const isErrorFrame = (frame: Buffer) => [505, 604].includes(frame.readUInt16BE(2));

/** Changes each frame for which `fits`, in place. */
function changing(fits: (frame: Buffer) => boolean, change: (frame: Buffer) => void): () => FaultHooks {
  return () => ({
    frame: (frame) => {
      if (fits(frame)) change(frame);
      return frame;
    },
  });
}
const all = () => true;
const resize = (by: number) => changing(all, (frame) => frame.writeUInt16BE(frame.readUInt16BE(0) + by, 0));

/** Whether a message's type is right for neither module, as far as its number goes. */
const isUnknown = (bytes: Buffer) => {
  const type = bytes.length < HEADER_BYTES ? 0 : bytes.readUInt16BE(2);
  return !((type >= 500 && type <= 505) || (type >= 600 && type <= 604));
};

export const API_FAULTS: readonly Fault[] = [
  fault(
    'size-little-endian',
    'writes the size of a message with its low byte first',
    'size-counts-header',
    changing(all, (frame) => frame.writeUInt16LE(frame.readUInt16BE(0), 0)),
  ),
  fault('size-off-by-one', 'writes a size of one too much', 'size-counts-header', resize(1)),
  fault(
    'size-without-header',
    'leaves the header out of the size',
    'size-counts-header',
    resize(-HEADER_BYTES),
  ),
  fault(
    'type-little-endian',
    'writes the type of a message with its low byte first',
    'types-of-this-module',
    changing(all, (frame) => frame.writeUInt16LE(frame.readUInt16BE(2), 2)),
  ),
  fault(
    'one-request-a-connection',
    'closes a connection after its first request',
    'several-requests',
    () => ({
      closesAfter: () => true,
    }),
  ),
  fault(
    'pipelined-lost',
    'reads only the first of several messages that come at once',
    'several-at-once',
    () => ({
      reads: (place) => place === 0,
    }),
  ),
  fault('half-as-whole', 'takes what comes first for a whole message', 'message-in-pieces', () => ({
    chunk: (chunk) => {
      const size = chunk.length < HEADER_BYTES ? 0 : chunk.readUInt16BE(0);
      return size <= chunk.length ? chunk : Buffer.concat([chunk, Buffer.alloc(size - chunk.length)]);
    },
  })),
  fault('answers-to-all', 'sends each answer to all connections', 'answers-who-asked', () => ({
    answersAll: true,
  })),
  fault('one-connection', 'serves one connection at a time', 'several-connections', () => ({
    oneConnection: true,
  })),
  fault(
    'violation-closes-all',
    'closes all connections for the violation of one',
    'closes-one-alone',
    () => ({
      violation: () => 'close-all',
    }),
  ),
  errorFault('error-for-violation', 'answers a violation with ERROR', 'no-error-for-violation', () => ({
    violation: () => 'error',
  })),
  errorFault('unknown-type-kept-open', 'passes over unknown types', 'closes-on-unknown-type', () => ({
    violation: (bytes) => (isUnknown(bytes) ? 'ignore' : 'close'),
  })),
  errorFault(
    'foreign-type-kept-open',
    'passes over types that another module receives',
    'closes-on-foreign-type',
    () => ({ violation: (bytes) => (isUnknown(bytes) ? 'close' : 'ignore') }),
  ),
  errorFault('violation-kept-open', 'passes over all that it does not understand', 'closes-on-short', () => ({
    violation: () => 'ignore',
  })),
  errorFault(
    'error-wrong-request-type',
    'names another request in ERROR',
    'error-names-request',
    changing(isErrorFrame, (frame) => frame.writeUInt16BE(frame.readUInt16BE(4) + 1, 4)),
  ),
  errorFault(
    'error-request-type-little-endian',
    'writes the request type in ERROR with its low byte first',
    'error-names-request',
    changing(isErrorFrame, (frame) => frame.writeUInt16LE(frame.readUInt16BE(4), 4)),
  ),
  errorFault(
    'error-wrong-key',
    'names another key in ERROR',
    'error-names-key',
    changing(isErrorFrame, (frame) => frame.writeUInt8(frame.readUInt8(39) ^ 1, 39)),
  ),
  errorFault(
    'error-reserved-not-zero',
    'fills the reserved bytes of ERROR',
    'error-reserved-zero',
    changing(isErrorFrame, (frame) => frame.writeUInt16BE(0xffff, 6)),
  ),
  errorFault('closes-after-error', 'closes the connection after ERROR', 'goes-on-after-error', () => ({
    closesAfter: (answers) => answers.some(isError),
  })),
];
