/** Role: what holds for TRACE (Spec 3.1.3, 3.1.5). Not here: other requests (dht-checks.ts). */

import { encodeMessage, type PeerAddress } from '../../wire/message.js';
import type { Bench } from './bench.js';
import { describe } from './bench.js';
import { type Check, expect, NotChecked } from './check.js';

const TRACES = 4;
const KEYED_BYTES = 36;
const HOP_BYTES = 56;
const RESERVED_AT = 34;

const required = (address: string, text: string, run: Check['run']): Check => ({
  address: `dht/${address}`,
  level: 'required',
  text,
  run,
});

export const TRACE_CHECKS: readonly Check[] = [
  required(
    '3.1.3/target-replies-without-data',
    'the target of a TRACE replies even if it does not have the key stored',
    async (bench) => void (await trace(bench)),
  ),
  required('3.1.5/names-key', 'TRACE REPLY has the key for which the trace was made', async (bench) => {
    const key = bench.randomId();
    const reply = await bench.askFor({ type: 'dht-trace', key }, 'dht-trace-reply');
    expect(reply.key.equals(key), `expected ${key.toString('hex')}, got ${reply.key.toString('hex')}`);
  }),
  required('3.1.5/has-target', 'TRACE REPLY has at least one hop, the target', async (bench) => {
    expect((await trace(bench)).length > 0, 'it has no hop');
  }),
  required('3.1.5/hop-has-address', 'each hop has a port and at least one IP address', async (bench) => {
    for (const hop of await severalTraces(bench)) {
      expect(hop.kxPort !== 0, `hop ${idOf(hop)} has the port 0`);
      expect(hop.ipv4 !== null || hop.ipv6 !== null, `hop ${idOf(hop)} has no IP address`);
    }
  }),
  required(
    '3.1.5/hop-addresses',
    'a hop has the port number and IP addresses through which its KX can be reached',
    async (bench) => {
      const { peers } = bench.options;
      if (peers.length === 0) throw new NotChecked('needs --peers, to know the right addresses');
      for (const hop of await severalTraces(bench)) {
        const peer = peers.find(({ identity }) => identity.equals(hop.identity));
        expect(peer !== undefined, `a hop has the identity ${idOf(hop)}, which no peer has`);
        for (const field of ['kxPort', 'ipv4', 'ipv6'] as const) {
          const [right, got] = [shown(peer[field]), shown(hop[field])];
          expect(right === got, `${field} of hop ${idOf(hop)}: expected ${right}, got ${got}`);
        }
      }
    },
  ),
  required('3.1.5/target-first', 'the target, the last hop, is the first in TRACE REPLY', async (bench) => {
    const target = bench.options.peers.find(({ isTarget }) => isTarget);
    if (target === undefined) throw new NotChecked('needs --peers with a target, at which every TRACE ends');
    const [first] = await trace(bench);
    expect(
      first?.identity.equals(target.identity) === true,
      `the first hop is ${first === undefined ? 'none' : idOf(first)}`,
    );
  }),
  {
    address: 'dht/3.1.5/reserved-zero',
    level: 'recommended',
    text: 'the reserved bytes of a hop are zero',
    run: async (bench) => {
      const client = await bench.connect();
      await client.send(encodeMessage({ type: 'dht-trace', key: bench.randomId() }));
      const arrival = await client.next(bench.options.patienceMs);
      expect(arrival.kind === 'frame', `expected TRACE REPLY, ${describe(arrival)}`);
      for (let at = KEYED_BYTES; at + HOP_BYTES <= arrival.frame.length; at += HOP_BYTES) {
        const reserved = arrival.frame.subarray(at + RESERVED_AT, at + RESERVED_AT + 2).toString('hex');
        expect(reserved === '0000', `expected 0000, got ${reserved}`);
      }
    },
  },
];

async function trace(bench: Bench): Promise<readonly PeerAddress[]> {
  return (await bench.askFor({ type: 'dht-trace', key: bench.randomId() }, 'dht-trace-reply')).hops;
}

async function severalTraces(bench: Bench): Promise<readonly PeerAddress[]> {
  const hops: PeerAddress[] = [];
  for (let count = 0; count < TRACES; count += 1) hops.push(...(await trace(bench)));
  return hops;
}

function idOf({ identity }: PeerAddress): string {
  return identity.toString('hex').slice(0, 16);
}

function shown(value: number | Buffer | null): string {
  return Buffer.isBuffer(value) ? [...value].join('.') : String(value ?? 'none');
}
