/** Tunnels between real peers: processes, sockets, TUN devices, the kernel's own TCP. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runInSandbox } from '../../src/eval/sandbox.js';

const SCENARIO = fileURLToPath(new URL('./tunnel-scenario.js', import.meta.url));
const test = suite('tunnels between real peers');
// biome-ignore lint/suspicious/noExplicitAny: the scenario's results are JSON.
let results: any;

test.before(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-e2e-'));
  await runInSandbox(SCENARIO, [join(directory, 'results.json')]);
  results = JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8'));
  rmSync(directory, { recursive: true });
});

test('the scenario runs to its end', () => {
  if (results.failure !== undefined) throw new Error(Object.entries(results).flat().join('\n'));
});

test('a tunnel carries TCP without loss and UDP, from IPv4 to IPv6', () => {
  assert.ok(results.incomingAddressIsEmpty);
  assert.match(results.address, /^10\.20\./);
  assert.is(results.tcp.echoed, true);
  assert.ok(results.udp.received >= 95, JSON.stringify(results.udp));
});

test('a caller reaches no other port than that of the VoIP module', () => {
  assert.is(results.closedPort.received, 0);
});

test('what cannot be served is answered with ERROR', () => {
  assert.is(results.unknown, 'kx-error');
  assert.is(results.wrongIdentity, 'kx-error');
  assert.is(results.down, 'kx-error');
  assert.is(results.taken, 'kx-error');
});

test('DESTROY frees everything at every hop', () => {
  assert.ok(results.freed);
});

test.run();
