import { createPublicKey, sign, verify } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StoredKey } from '../../../../src/eval/dht-network/host-messages.js';
import { timeGets } from '../../../../src/eval/dht-network/host-service.js';
import type { NodeKind } from '../../../../src/eval/dht-network/node-network.js';
import { judgeFrozen } from '../../../../src/eval/goals/dht-frozen.js';
import { judgeSpeed } from '../../../../src/eval/goals/dht-speed.js';
import { FROZEN_GETS } from '../../../../src/eval/goals/frozen-scale.js';
import type { LookupResults, LookupRound } from '../../../../src/eval/goals/lookup-results.js';
import { hostkeyOf, primesFor } from '../../../../src/eval/hostkey-pool.js';
import { median, quantile } from '../../../../src/eval/quantile.js';

const test = suite('goals of DHT lookups');

function rounds(kind: NodeKind, p50: number, p99: number, perSecond: number): LookupRound[] {
  const latencies = [...new Array(97).fill(p50), ...new Array(3).fill(p99)];
  const gets = new Array(perSecond).fill(p50);
  return [
    { kind, way: 'in turn', round: { milliseconds: latencies, wallMs: 1 } },
    { kind, way: 'at once', round: { milliseconds: gets, wallMs: 1000 } },
  ];
}

function results(ours: LookupRound[], nodeKb = 100): LookupResults {
  return {
    rounds: [...ours, ...rounds('hyperdht', 1.3, 4.2, 700)],
    memory: { nodes: 500, bytes: nodeKb * 500_000 },
  };
}

test('lookups within all bounds pass, and their figures are told', () => {
  const { passed, figure } = judgeSpeed(results(rounds('ours', 1.2, 2, 1_100)));
  assert.ok(passed, figure);
  assert.match(
    figure,
    /p50 1\.20 ms \(0\.92 × hyperdht's 1\.30\); p99 2\.00 ms .*1100 GETs\/s .*100 KB a node/,
  );
});

test('any one shortfall of lookups fails, and so does what was not measured', () => {
  for (const bad of [
    results(rounds('ours', 1.4, 2, 1_100)),
    results(rounds('ours', 1.2, 2.2, 1_100)),
    results(rounds('ours', 1.2, 2, 1_000)),
    results(rounds('ours', 1.2, 2, 1_100), 121),
    results([]),
    { ...results(rounds('ours', 1.2, 2, 1_100)), rounds: rounds('ours', 1.2, 2, 1_100) },
    results([
      ...rounds('ours', 1.2, 2, 1_100),
      { kind: 'ours', way: 'in turn', round: { milliseconds: [null], wallMs: 1 } },
    ]),
  ]) {
    assert.not(judgeSpeed(bad).passed, judgeSpeed(bad).figure);
  }
});

test('every GET must be answered, in time, with half of the nodes stopped', () => {
  const with_ = (last: number | null, p50 = 20, frozen = 100) =>
    judgeFrozen({
      nodes: 200,
      frozen,
      round: {
        milliseconds: [...new Array(FROZEN_GETS - 15).fill(p50), ...new Array(15).fill(last)],
        wallMs: 1,
      },
    });
  assert.ok(with_(490).passed, with_(490).figure);
  assert.not(with_(510).passed);
  assert.not(with_(null).passed);
  assert.not(with_(400, 51).passed);
  assert.not(with_(400, 20, 99).passed);
});

test('GETs are timed to the first value, and the next begins when the search is over', async () => {
  const key: StoredKey = { key: Buffer.alloc(32), signed: false };
  let working = 0;
  let most = 0;
  const { milliseconds } = await timeGets(new Array(10).fill(key), 3, () => {
    working += 1;
    most = Math.max(most, working);
    const found = working !== 2;
    const over = new Promise<void>((resolve) => {
      setImmediate(() => {
        working -= 1;
        resolve();
      });
    });
    return { first: Promise.resolve(found), over };
  });
  assert.is(most, 3);
  assert.is(milliseconds.length, 10);
  assert.ok(milliseconds.includes(null) && milliseconds.some((one) => one !== null));
});

test('quantiles of nothing pass no comparison', () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(quantile([1, 2, 3, 4], 1), 4);
  assert.ok(Number.isNaN(median([])));
});

test('a pool of primes has enough pairs, and a pair makes a hostkey', () => {
  for (const count of [1, 2, 3, 4, 6, 7, 200, 500]) {
    const primes = primesFor(count);
    assert.ok((primes * (primes - 1)) / 2 >= count);
    assert.ok(((primes - 1) * (primes - 2)) / 2 < count);
  }
  // The two greatest primes of 2048 bits.
  const [p, q] = [1_557n, 2_543n].map((less) => 2n ** 2048n - less) as [bigint, bigint];
  const { modulus, privateKey } = hostkeyOf(p, q);
  assert.is(modulus.length, 512);
  const message = Buffer.from('signed');
  assert.ok(verify('sha256', message, createPublicKey(privateKey), sign('sha256', message, privateKey)));
});

test.run();
