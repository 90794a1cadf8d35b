/** Role: the capture of the proxy, read by Wireshark with the dissector of the module APIs. */

import { execFileSync, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { internetChecksum } from '../../../../src/testing/proxy/ip-packet.js';
import { skip } from '../../../support/skip.js';
import { exchange, get, key, type ProxyBench, withProxy } from './proxy-bench.js';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const QUIET_MS = 250;
const DISSECTOR = `${ROOT}docs/testing/peer-api.lua`;

/** The proxy writes while others go on: what it has to write of exchanges that are over is in the file when that stands still. */
async function written(file: string): Promise<void> {
  for (let size = -1; size !== statSync(file).size; ) {
    size = statSync(file).size;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

async function tshark(bench: ProxyBench, ...args: string[]): Promise<string> {
  await written(bench.file('capture.pcapng'));
  if (spawnSync('tshark', ['--version']).error !== undefined) skip('tshark is missing');
  return execFileSync(
    'tshark',
    ['-r', bench.file('capture.pcapng'), '-X', `lua_script:${DISSECTOR}`, ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 64 * 1024 * 1024 },
  );
}

const capture = suite('proxy capture');

capture('the checksum is the one of RFC 1071', () => {
  assert.is(internetChecksum([Buffer.from('0001f203f4f5f6f7', 'hex')]), 0x220d);
  assert.is(internetChecksum([Buffer.from('0001', 'hex'), Buffer.from('f2', 'hex')]), ~0xf201 & 0xffff);
});

capture('is closed to others', () =>
  withProxy({}, async (bench) => {
    for (const name of ['capture.pcapng', 'log.ndjson', 'control.sock'])
      assert.is(statSync(bench.file(name)).mode & 0o777, 0o600, name);
  }),
);

capture('tshark prints the fields of a PUT and of a trace', () =>
  withProxy({}, async (bench) => {
    const hop = { identity: key(9), kxPort: 3001, ipv4: Buffer.from([10, 1, 2, 3]), ipv6: null };
    await exchange(bench.port, [
      { type: 'dht-put', key: key(0xab), ttlSeconds: 3_600, replication: 5, content: Buffer.from('hello') },
      { type: 'dht-trace-reply', key: key(0xcd), hops: [hop, { ...hop, kxPort: 4001 }] },
    ]);
    const all = await tshark(bench, '-Y', 'peer_api');
    assert.match(all, /DHT PUT key=abababababababab ttl=3600 replication=5 content=5 bytes/);
    assert.match(all, /DHT TRACE REPLY key=cdcdcdcdcdcdcdcd hops=2/);
    const fields = ['peer_api.kx_port', 'peer_api.ipv4', 'peer_api.ttl', 'peer_api.content'];
    const printed = await tshark(
      bench,
      ...['-Y', 'peer_api', '-T', 'fields'],
      ...fields.flatMap((name) => ['-e', name]),
    );
    assert.match(printed, /3001,4001\t10\.1\.2\.3,10\.1\.2\.3/);
    assert.match(printed, /\t3600\t68656c6c6f/);
  }),
);

capture('tshark says what is wrong with a malformed message', () =>
  withProxy({}, async (bench) => {
    await exchange(bench.port, [get(1)]);
    await exchange(bench.port, [get(1), Buffer.from('000501f500', 'hex'), Buffer.from('000402bc', 'hex')]);
    await exchange(bench.port, [get(2), Buffer.from('000001f5aaaa', 'hex')]);
    const printed = await tshark(bench, '-Y', 'peer_api.malformed');
    assert.match(printed, /malformed: DHT GET must have 36 bytes, has 5/);
    assert.match(printed, /malformed: unknown type 700/);
    assert.match(printed, /malformed: the size is less than the header's/);
  }),
);

capture(
  'packets have right checksums and sequence numbers, also for large messages, half-close and reset',
  () =>
    withProxy({ rules: [{ name: 'r', action: 'cut', types: ['dht-trace'] }] }, async (bench) => {
      const content = Buffer.alloc(65_000, 7);
      const put = { type: 'dht-put', key: key(1), ttlSeconds: 1, replication: 1, content } as const;
      const back = await exchange(bench.port, [put, put, put]);
      assert.is(back.length, 3 * 65_044);
      await exchange(bench.port, [get(1), { type: 'dht-trace', key: key(2) }]);
      const checks = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'];
      const wrong = 'tcp.analysis.flags || tcp.checksum.status == "Bad" || ip.checksum.status == "Bad"';
      assert.is(await tshark(bench, ...checks, '-Y', wrong), '');
      const good = await tshark(bench, ...checks, '-Y', 'tcp.checksum.status == "Good"');
      const total = await tshark(bench, '-Y', 'tcp');
      assert.is(good.split('\n').length, total.split('\n').length);
      assert.is((await tshark(bench, '-Y', 'tcp.flags.reset == 1')).trim().split('\n').length, 2);
      const puts = await tshark(bench, '-Y', 'peer_api.type == 500', '-T', 'fields', '-e', 'peer_api.size');
      assert.is(puts.match(/65044/g)?.length, 12);
    }),
);

capture.run();
