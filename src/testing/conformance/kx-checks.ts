/** Role: what holds for tunnels (Spec 3.2.1 to 3.2.5). Not here: what holds for a DHT too (api-checks.ts). */

import { type ApiMessage, encodeMessage, type PeerAddress } from '../../wire/message.js';
import type { Bench, MessageOf } from './bench.js';
import { describe } from './bench.js';
import { type Check, expect } from './check.js';

type Direction = 'incoming' | 'outgoing';

const LEAST_HOPS = 3;
const RESERVED_AT = 36;
const READY_BYTES = 60;
const NOWHERE: PeerAddress = { identity: Buffer.alloc(32, 1), kxPort: 0, ipv4: null, ipv6: null };

const check =
  (level: Check['level']) =>
  (address: string, text: string, run: Check['run']): Check => ({
    address: `kx/${address}`,
    level,
    text,
    run,
  });
const required = check('required');
const recommended = check('recommended');

export const KX_CHECKS: readonly Check[] = [
  required('3.2.1/ready', 'an incoming tunnel that is built is reported by READY', (bench) =>
    withTunnels(bench, ['incoming'], async () => {}),
  ),
  recommended(
    '3.2.1/few-hops',
    'a BUILD that asks for fewer than three hops is served all the same',
    (bench) => withTunnels(bench, ['incoming'], async () => {}, 0),
  ),
  required('3.2.2/ready', 'an outgoing tunnel that is built is reported by READY', (bench) =>
    withTunnels(bench, ['incoming', 'outgoing'], async () => {}),
  ),
  required(
    '3.2.2/ready-for-another-peer',
    'an outgoing tunnel reaches the incoming one of another peer',
    (bench) =>
      withTunnels(bench, ['incoming'], async (_, id) => {
        const other = bench.other();
        const ready = await other.askFor(buildOf('outgoing', id, bench.exchangePoint()), 'kx-ready');
        await destroy(other, id);
        expect(hasAddress(ready), 'both addresses are zero');
      }),
  ),
  required('3.2.3/names-pseudo-identity', 'READY has the pseudo-identity of its BUILD', (bench) =>
    withTunnels(bench, ['incoming', 'outgoing'], async (readies, id) => {
      for (const { pseudoIdentity } of readies) {
        expect(
          pseudoIdentity.equals(id),
          `expected ${id.toString('hex')}, got ${pseudoIdentity.toString('hex')}`,
        );
      }
    }),
  ),
  required('3.2.3/address-for-outgoing', 'READY has the address that stands for the callee', (bench) =>
    withTunnels(bench, ['incoming', 'outgoing'], async ([, outgoing]) => {
      expect(outgoing !== undefined && hasAddress(outgoing), 'both addresses are zero');
    }),
  ),
  required('3.2.3/no-address-for-incoming', 'READY for an incoming tunnel has no address', (bench) =>
    withTunnels(bench, ['incoming'], async ([incoming]) => {
      expect(incoming !== undefined && !hasAddress(incoming), 'an address is not zero');
    }),
  ),
  required('3.2.3/address-a-pseudo-identity', 'each callee has an address of its own', (bench) =>
    withTunnels(bench, ['incoming', 'outgoing'], ([, one]) =>
      withTunnels(bench, ['incoming', 'outgoing'], async ([, other]) => {
        const [first, second] = [addressOf(one), addressOf(other)];
        expect(first !== second, `two callees have the same address, ${first}`);
      }),
    ),
  ),
  recommended('3.2.3/reserved-zero', 'the reserved bytes of READY are zero', async (bench) => {
    const id = bench.randomId();
    const client = await bench.connect();
    await client.send(encodeMessage(buildOf('incoming', id, bench.exchangePoint())));
    const arrival = await client.next(bench.options.patienceMs);
    await destroy(bench, id);
    const isReady = arrival.kind === 'frame' && arrival.frame.length === READY_BYTES;
    expect(isReady, `expected READY, ${describe(arrival)}`);
    const reserved = arrival.frame.subarray(RESERVED_AT, RESERVED_AT + 4).toString('hex');
    expect(reserved === '00000000', `expected 00000000, got ${reserved}`);
  }),
  required('3.2.4/no-answer', 'the DESTROY of a tunnel has no answer', (bench) =>
    withTunnels(bench, ['incoming'], async (_, id) => {
      const client = await bench.connect();
      await client.send(encodeMessage({ type: 'kx-destroy', pseudoIdentity: id }));
      await bench.nothingComes(client, 'after DESTROY');
    }),
  ),
  required('3.2.4/tunnel-is-gone', 'after DESTROY there is no tunnel of this pseudo-identity', (bench) =>
    withTunnels(bench, ['incoming'], async (_, id) => {
      await destroy(bench, id);
      const again = await bench.ask({ type: 'kx-destroy', pseudoIdentity: id }, 'a second DESTROY');
      expect(again.type === 'kx-error', `a second DESTROY: expected ERROR, got ${again.type}`);
    }),
  ),
  required(
    '3.2.5/error-for-nothing',
    'the DESTROY of what does not exist is answered with ERROR',
    async (bench) => {
      const answer = await bench.ask({ type: 'kx-destroy', pseudoIdentity: bench.randomId() });
      expect(answer.type === 'kx-error', `expected ERROR, got ${answer.type}`);
    },
  ),
  required('3.2.5/error-for-no-way', 'a tunnel that cannot be built is reported by ERROR', async (bench) => {
    for (const direction of ['incoming', 'outgoing'] as const) {
      const request = buildOf(direction, bench.randomId(), NOWHERE);
      const answer = await bench.ask(request, `${request.type} to an exchange point without address`);
      expect(answer.type === 'kx-error', `${request.type}: expected ERROR, got ${answer.type}`);
    }
  }),
];

function buildOf(
  direction: Direction,
  pseudoIdentity: Buffer,
  exchangePoint: PeerAddress,
  hops = LEAST_HOPS,
): ApiMessage {
  return { type: `kx-build-${direction}`, hops, pseudoIdentity, exchangePoint, extension: Buffer.alloc(0) };
}

/** Builds tunnels of one new pseudo-identity, one after the other, and destroys them after `work`. */
async function withTunnels(
  bench: Bench,
  directions: readonly Direction[],
  work: (readies: readonly MessageOf<'kx-ready'>[], pseudoIdentity: Buffer) => Promise<void>,
  hops?: number,
): Promise<void> {
  const exchangePoint = bench.exchangePoint();
  const id = bench.randomId();
  const readies: MessageOf<'kx-ready'>[] = [];
  try {
    for (const direction of directions) {
      readies.push(await bench.askFor(buildOf(direction, id, exchangePoint, hops), 'kx-ready'));
    }
    await work(readies, id);
  } finally {
    await destroy(bench, id);
  }
}

/** DESTROY, and a quiet moment for its ERROR, if there was nothing. */
async function destroy(bench: Bench, pseudoIdentity: Buffer): Promise<void> {
  const client = await bench.connect();
  await client.send(encodeMessage({ type: 'kx-destroy', pseudoIdentity }));
  await client.next(bench.options.quietMs);
  client.destroy();
}

function hasAddress({ ipv4, ipv6 }: MessageOf<'kx-ready'>): boolean {
  return [...ipv4, ...ipv6].some((byte) => byte !== 0);
}

function addressOf(ready: MessageOf<'kx-ready'> | undefined): string {
  return ready === undefined ? 'none' : Buffer.concat([ready.ipv4, ready.ipv6]).toString('hex');
}
