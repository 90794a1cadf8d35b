/** Role: the capture of the proxy, read by Wireshark with the dissector of the module APIs. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { steadyClock } from '../../../../src/clock.js';
import { createLogger } from '../../../../src/log.js';
import { Capture } from '../../../../src/testing/proxy/capture.js';
import { internetChecksum } from '../../../../src/testing/proxy/ip-packet.js';
import { OutputFile } from '../../../../src/testing/proxy/output-file.js';
import { encodeMessage } from '../../../../src/wire/message.js';
import { exchange, get, key, type ProxyBench, withProxy } from './proxy-bench.js';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const DISSECTOR = `${ROOT}docs/testing/peer-api.lua`;

const vectors = JSON.parse(readFileSync(`${ROOT}test/vectors/api-messages.json`, 'utf8')).vectors as {
  frame: string;
  valid: boolean;
  message?: { type: string };
}[];

function tshark(file: string, ...args: string[]): string {
  return execFileSync('tshark', ['-r', file, '-X', `lua_script:${DISSECTOR}`, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  });
}

const captureOf = (bench: ProxyBench) => bench.file('capture.pcapng');

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

for (const api of ['dht', 'kx'] as const) {
  capture(`tshark prints each ${api.toUpperCase()} message decoded`, () =>
    withProxy({ api }, async (bench) => {
      const frames = vectors.filter(({ valid, message }) => valid && message?.type.startsWith(api));
      assert.ok(frames.length > 0);
      for (const { frame } of frames) await exchange(bench.port, [Buffer.from(frame, 'hex')]);
      const types = tshark(
        captureOf(bench),
        '-Y',
        'peer_api',
        '-T',
        'fields',
        '-e',
        'peer_api.type',
        '-e',
        'tcp.len',
      );
      const expected = frames.flatMap(({ frame }) => {
        const bytes = Buffer.from(frame, 'hex');
        // To the target and back, each on both connections.
        return Array.from({ length: 4 }, () => `${bytes.readUInt16BE(2)}\t${bytes.length}`);
      });
      const seen = types.trim().split('\n');
      assert.equal(seen.filter((line) => !line.startsWith('\t')).sort(), expected.sort());
      assert.is(tshark(captureOf(bench), '-Y', 'peer_api.malformed'), '');
    }),
  );
}

capture(
  'a connection is told by what is said, not by its ports, whoever else is known by them or had them before',
  () => {
    const path = join(mkdtempSync(join(tmpdir(), 'peer-capture-')), 'capture.pcapng');
    const file = new OutputFile(path, createLogger({ level: 'silent', name: 'test' }));
    const written = new Capture(file, steadyClock);
    const address = Buffer.from([127, 0, 0, 1]);
    // 44818 is EtherNet/IP's; the other one is that of two connections, one after the other.
    for (const port of [44_818, 40_001, 40_001]) {
      const one = written.open('client', { address, port }, { address, port: 40_000 });
      for (const from of ['opener', 'acceptor'] as const) one.data(from, encodeMessage(get(port % 251)));
      for (const from of ['opener', 'acceptor'] as const) one.end(from);
    }
    file.close();
    const types = tshark(path, '-Y', 'peer_api', '-T', 'fields', '-e', 'peer_api.type');
    assert.equal(types.trim().split('\n'), Array(6).fill('501'));
    assert.is(tshark(path, '-Y', 'tcp.analysis.retransmission'), '');
  },
);

capture('tshark prints the fields of a PUT and of a trace', () =>
  withProxy({}, async (bench) => {
    const hop = { identity: key(9), kxPort: 3001, ipv4: Buffer.from([10, 1, 2, 3]), ipv6: null };
    await exchange(bench.port, [
      { type: 'dht-put', key: key(0xab), ttlSeconds: 3_600, replication: 5, content: Buffer.from('hello') },
      { type: 'dht-trace-reply', key: key(0xcd), hops: [hop, { ...hop, kxPort: 4001 }] },
    ]);
    const all = tshark(captureOf(bench), '-Y', 'peer_api');
    assert.match(all, /DHT PUT key=abababababababab ttl=3600 replication=5 content=5 bytes/);
    assert.match(all, /DHT TRACE REPLY key=cdcdcdcdcdcdcdcd hops=2/);
    const fields = ['peer_api.kx_port', 'peer_api.ipv4', 'peer_api.ttl', 'peer_api.content'];
    const printed = tshark(
      captureOf(bench),
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
    const printed = tshark(captureOf(bench), '-Y', 'peer_api.malformed');
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
      assert.is(tshark(captureOf(bench), ...checks, '-Y', wrong), '');
      const good = tshark(captureOf(bench), ...checks, '-Y', 'tcp.checksum.status == "Good"');
      const total = tshark(captureOf(bench), '-Y', 'tcp');
      assert.is(good.split('\n').length, total.split('\n').length);
      assert.is(tshark(captureOf(bench), '-Y', 'tcp.flags.reset == 1').trim().split('\n').length, 2);
      const puts = tshark(
        captureOf(bench),
        '-Y',
        'peer_api.type == 500',
        '-T',
        'fields',
        '-e',
        'peer_api.size',
      );
      assert.is(puts.match(/65044/g)?.length, 12);
    }),
);

capture.run();
