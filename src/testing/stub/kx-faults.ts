/** Role: the faults of a KX. Not here: those that a DHT can have too (api-faults.ts). */

import { type ApiMessage, MESSAGE_TYPE } from '../../wire/message.js';
import type { Fault, FaultHooks } from './fault.js';

type Ready = Extract<ApiMessage, { type: 'kx-ready' }>;

const LEAST_HOPS = 3;
const SOME_ADDRESS = Buffer.from([10, 99, 0, 1]);

const fault = (name: string, what: string, check: string, hooks: () => FaultHooks): Fault => ({
  name,
  modules: ['kx'],
  what,
  caughtBy: () => `kx/${check}`,
  hooks,
});

/** A stub that changes READY for tunnels of a direction. */
const readying =
  (direction: 'incoming' | 'outgoing' | null, change: (ready: Ready) => Ready) => (): FaultHooks => ({
    answers: (request, right) =>
      right(request).map((answer) => {
        const concerns = direction === null || request.type === `kx-build-${direction}`;
        return answer.type === 'kx-ready' && concerns ? change(answer) : answer;
      }),
  });

const withoutErrors =
  (...types: ApiMessage['type'][]) =>
  (): FaultHooks => ({
    answers: (request, right) =>
      right(request).filter((answer) => answer.type !== 'kx-error' || !types.includes(request.type)),
  });

export const KX_FAULTS: readonly Fault[] = [
  fault(
    'ready-without-address',
    'gives no address for an outgoing tunnel',
    '3.2.3/address-for-outgoing',
    readying('outgoing', (ready) => ({ ...ready, ipv4: Buffer.alloc(4), ipv6: Buffer.alloc(16) })),
  ),
  fault(
    'ready-address-for-incoming',
    'gives an address for an incoming tunnel',
    '3.2.3/no-address-for-incoming',
    readying('incoming', (ready) => ({ ...ready, ipv4: SOME_ADDRESS })),
  ),
  fault(
    'ready-one-address-for-all',
    'gives all callees the same address',
    '3.2.3/address-a-pseudo-identity',
    readying('outgoing', (ready) => ({ ...ready, ipv4: SOME_ADDRESS })),
  ),
  fault(
    'ready-wrong-pseudo-identity',
    'names another pseudo-identity in READY',
    '3.2.3/names-pseudo-identity',
    readying(null, (ready) => {
      const pseudoIdentity = Buffer.from(ready.pseudoIdentity);
      pseudoIdentity.writeUInt8(pseudoIdentity.readUInt8(31) ^ 1, 31);
      return { ...ready, pseudoIdentity };
    }),
  ),
  fault('ready-reserved-not-zero', 'fills the reserved bytes of READY', '3.2.3/reserved-zero', () => ({
    frame: (frame) => {
      if (frame.readUInt16BE(2) === MESSAGE_TYPE.kxReady) frame.writeUInt32BE(0xffff_ffff, 36);
      return frame;
    },
  })),
  fault('incoming-silent', 'does not say that an incoming tunnel is ready', '3.2.1/ready', () => ({
    answers: (request, right) => {
      const answers = right(request);
      return request.type === 'kx-build-incoming'
        ? answers.filter(({ type }) => type !== 'kx-ready')
        : answers;
    },
  })),
  fault('outgoing-refused', 'builds no outgoing tunnels', '3.2.2/ready', () => ({
    answers: (request, right) => {
      if (request.type !== 'kx-build-outgoing') return right(request);
      const { pseudoIdentity } = request;
      return [{ type: 'kx-error', requestType: MESSAGE_TYPE.kxBuildOutgoing, pseudoIdentity }];
    },
  })),
  fault('few-hops-refused', 'refuses a BUILD with fewer than three hops', '3.2.1/few-hops', () => ({
    answers: (request, right) => {
      if (request.type !== 'kx-build-incoming' || request.hops >= LEAST_HOPS) return right(request);
      const { pseudoIdentity } = request;
      return [{ type: 'kx-error', requestType: MESSAGE_TYPE.kxBuildIncoming, pseudoIdentity }];
    },
  })),
  fault('destroy-answered', 'answers DESTROY with READY', '3.2.4/no-answer', () => ({
    answers: (request, right) => {
      const answers = right(request);
      if (request.type !== 'kx-destroy' || answers.length > 0) return answers;
      const none = { ipv4: Buffer.alloc(4), ipv6: Buffer.alloc(16) };
      return [{ type: 'kx-ready', pseudoIdentity: request.pseudoIdentity, ...none }];
    },
  })),
  fault('destroy-ignored', 'keeps a tunnel after DESTROY', '3.2.4/tunnel-is-gone', () => {
    const built = new Set<string>();
    return {
      answers: (request, right) => {
        if (!('pseudoIdentity' in request)) return right(request);
        const id = request.pseudoIdentity.toString('hex');
        if (request.type === 'kx-destroy' && built.has(id)) return [];
        const answers = right(request);
        if (answers.some(({ type }) => type === 'kx-ready')) built.add(id);
        return answers;
      },
    };
  }),
  fault(
    'unknown-destroy-silent',
    'does not answer the DESTROY of nothing',
    '3.2.5/error-for-nothing',
    withoutErrors('kx-destroy'),
  ),
  fault(
    'failed-build-silent',
    'does not say that a tunnel cannot be built',
    '3.2.5/error-for-no-way',
    withoutErrors('kx-build-incoming', 'kx-build-outgoing'),
  ),
];
