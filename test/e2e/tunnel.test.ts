/** Tunnels between real peers: processes, sockets, TUN devices, the kernel's own TCP. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runScenario } from '../support/scenario.js';

const test = suite('tunnels between real peers');
let results: Awaited<ReturnType<typeof runScenario>>;

test.before(async () => {
  results = await runScenario(new URL('./tunnel-scenario.js', import.meta.url));
});

test('a tunnel carries TCP without loss, from IPv4 to IPv6', () => {
  assert.ok(results.incomingAddressIsEmpty);
  assert.match(results.address, /^10\.20\./);
  assert.is(results.tcp.echoed, true);
});

test('rotation loses no packet', () => {
  assert.ok(results.rotated >= 2, `${results.rotated} rotations`);
  assert.is(results.udp.received, results.udp.sent, JSON.stringify(results.udp));
});

test('a tunnel survives the death of a relay', () => {
  assert.ok(results.victim, 'no relay to kill');
  assert.ok(results.afterDeath.received >= 300, JSON.stringify(results.afterDeath));
});

test('a caller reaches no other port than that of the VoIP module', () => {
  assert.is(results.closedPort.received, 0);
});

test('a pseudo-identity has a port of its own, which no tunnel of another one reaches', () => {
  assert.is(results.otherPort.received, 0);
  assert.is(results.ownPort.received, 50);
  assert.is(results.ownPortAlone.received, 0);
});

test('whoever has its signature displaces a hijacker, who does not come back', () => {
  assert.is(results.hijackedAgain, 'kx-error');
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
