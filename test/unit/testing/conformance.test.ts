/** Conformance on stubs: a right one passes every check, and each seeded fault is caught by the check that names it. */

import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../src/errors.js';
import type { BenchOptions } from '../../../src/testing/conformance/bench.js';
import { junitOf, makeReport } from '../../../src/testing/conformance/report.js';
import { type CheckResult, checksOf, runChecks } from '../../../src/testing/conformance/run-checks.js';
import type { KnownPeer } from '../../../src/testing/known-peers.js';
import { faultsOf } from '../../../src/testing/stub/faults.js';
import { startStub } from '../../../src/testing/stub/start-stub.js';

const HOST = '127.0.0.1';
const peers: readonly KnownPeer[] = [1, 2, 3].map((number) => ({
  identity: Buffer.alloc(32, number),
  kxPort: 3000 + number,
  ipv4: Buffer.from([192, 0, 2, number]),
  ipv6: null,
  isTarget: number === 1,
}));

type Module = 'dht' | 'kx';
/** Short, as a stub answers at once. */
const limits = { quietMs: 60, ttlSeconds: 1, ttlGraceMs: 500, peers, others: [] };

async function check(
  module: Module,
  fault: string | undefined,
  addresses: readonly string[],
  patienceMs: number,
): Promise<CheckResult[]> {
  const stub = await startStub({
    ...{ module, host: HOST, port: 0, hops: peers },
    ...(fault === undefined ? {} : { fault }),
  });
  try {
    const others = [{ host: HOST, port: stub.port }];
    const options: BenchOptions = { module, host: HOST, port: stub.port, patienceMs, ...limits, others };
    return await runChecks(checksOf(module, addresses), options, 64);
  } finally {
    await stub.close();
  }
}

/** Modules that mean harm, or are none. */
const hostile: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['says nothing', (socket) => socket.resume()],
  ['closes at once', (socket) => socket.destroy()],
  [
    'floods with messages',
    (socket) => flood(socket, Buffer.concat(Array(2000).fill(Buffer.from('00040001', 'hex')))),
  ],
  ['floods with nonsense', (socket) => flood(socket, Buffer.alloc(65_536))],
  ['begins a message and never ends it', (socket) => socket.resume().write(Buffer.from('ffff01f7', 'hex'))],
];

function flood(socket: Socket, bytes: Buffer): void {
  const pour = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.resume().on('drain', pour);
  pour();
}

for (const module of ['dht', 'kx'] as const) {
  const test = suite(`conformance of a ${module}`);

  test('a right one passes every check', async () => {
    const results = await check(module, undefined, [], 10_000);
    assert.equal(
      results.filter(({ outcome }) => outcome !== 'holds'),
      [],
    );
    assert.is(results.length, checksOf(module).length);
  });

  // All at once, as most of their time is waiting.
  const caught = new Map<string, CheckResult[]>();
  test.before(async () => {
    const faults = [...faultsOf(module)];
    const work = async () => {
      for (let fault = faults.pop(); fault !== undefined; fault = faults.pop()) {
        caught.set(fault.name, await check(module, fault.name, [fault.caughtBy(module)], 1_000));
      }
    };
    await Promise.all(Array.from({ length: 12 }, work));
  });

  for (const { name, what, caughtBy } of faultsOf(module)) {
    const address = caughtBy(module);
    test(`one that ${what} (${name}) is caught by ${address}`, () => {
      const [result] = caught.get(name) ?? [];
      assert.ok(result !== undefined && result.address === address);
      assert.is(result.outcome, 'fails');
      assert.ok(result.detail !== '');
    });
  }

  for (const [kind, serve] of hostile) {
    test(`one that ${kind} fails checks, and no check fails to end`, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        serve(socket);
      });
      const port = await listen(server);
      const sockets = new Set<Socket>();
      server.on('connection', (socket) => sockets.add(socket));
      const options: BenchOptions = { module, host: HOST, port, patienceMs: 100, ...limits };
      const results = await runChecks(checksOf(module), options, 64);
      for (const socket of sockets) socket.destroy();
      server.close();
      assert.is(results.length, checksOf(module).length);
      assert.ok(results.filter(({ outcome }) => outcome === 'fails').length > results.length / 3);
    });
  }
  test.run();
}

const test = suite('conformance');

test('where nobody listens there is nothing to be tested', async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  const options: BenchOptions = { module: 'dht', host: HOST, port, patienceMs: 100, ...limits };
  await runChecks(checksOf('dht'), options, 1).then(
    () => assert.unreachable(),
    (error) => assert.is((error as PeerError).code, 'target-unreachable'),
  );
});

test('two DHTs that are in no network with each other do not find what the other has', async () => {
  const start = () => startStub({ module: 'dht', host: HOST, port: 0, hops: peers });
  const [one, other] = [await start(), await start()];
  const addresses = ['found-by', 'finds-from', 'ttl-ends-for'].map((name) => `dht/3.1/${name}-others`);
  const options: BenchOptions = { module: 'dht', host: HOST, port: one.port, patienceMs: 300, ...limits };
  const run = (others: BenchOptions['others']) =>
    runChecks(checksOf('dht', addresses), { ...options, others }, 3);
  const outcomes = async (others: BenchOptions['others']) =>
    (await run(others)).map(({ outcome }) => outcome);
  assert.equal(await outcomes([{ host: HOST, port: other.port }]), ['fails', 'fails', 'fails']);
  assert.equal(await outcomes([]), ['not-checked', 'not-checked', 'not-checked']);
  await one.close();
  await other.close();
});

test('addresses select by whole parts', () => {
  const of = (prefix: string) => checksOf('dht', [prefix]).map(({ address }) => address);
  assert.equal(of('dht/3.1.3'), ['dht/3.1.3/target-replies-without-data']);
  assert.ok(of('dht/3.1').every((address) => address.startsWith('dht/3.1/')));
  assert.equal(of('dht/3.1.6/error-for-nothing'), ['dht/3.1.6/error-for-nothing']);
  assert.throws(
    () => of('dht/3.1.6/error'),
    (error: unknown) => error instanceof PeerError && error.code === 'usage',
  );
  const all = checksOf('kx').map(({ address }) => address);
  assert.is(new Set(all).size, all.length);
});

test('what is only recommended counts if strict', () => {
  const result: CheckResult = {
    ...{ address: 'kx/3.2.3/reserved-zero', level: 'recommended', text: 'a < b', outcome: 'fails' },
    ...{ detail: 'got "1" & \u0000', milliseconds: 5 },
  } as const;
  assert.ok(makeReport('kx', 'here:1', false, [result]).conforms);
  const strict = makeReport('kx', 'here:1', true, [result]);
  assert.not(strict.conforms);
  assert.match(
    junitOf(strict),
    /failures="1"(.|\n)*<failure message="a &lt; b: got &quot;1&quot; &amp; {2}"/,
  );
});

test('a report has the fields of its schema, and no others', async () => {
  const file = new URL('../../../../docs/testing/conformance.schema.json', import.meta.url);
  const { required, properties } = JSON.parse(readFileSync(file, 'utf8'));
  const report = makeReport('kx', 'here:1', false, await check('kx', undefined, ['kx/3.2.5'], 10_000));
  assert.equal(Object.keys(report).sort(), required.sort());
  const { items } = properties.checks;
  for (const result of report.checks) {
    assert.equal(Object.keys(result).sort(), items.required.sort());
    assert.match(result.address, new RegExp(items.properties.address.pattern));
    assert.ok(items.properties.outcome.enum.includes(result.outcome));
  }
});

test.run();

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, HOST, () => resolve((server.address() as { port: number }).port));
  });
}
