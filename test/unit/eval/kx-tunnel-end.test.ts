import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeTunnelEnd } from '../../../src/eval/goals/kx-tunnel-end.js';
import type { PourRound } from '../../../src/eval/goals/tunnel-end-results.js';

const test = suite('tunnel end beside wireguard-go');

function rate(target: PourRound['target'], arrived: number, more: Partial<PourRound> = {}): PourRound {
  const decrypted = target === 'tunnel' ? arrived : 32;
  const time = { wallNs: 500e6, processorNs: arrived * 2_000 };
  return {
    measure: 'rate',
    target,
    sent: arrived,
    arrived,
    decrypted,
    spoiled: 0,
    ...time,
    ...more,
  } as PourRound;
}

function delay(target: PourRound['target'], p50Ns: number): PourRound {
  return { measure: 'delay', target, sent: 10, arrived: 10, p50Ns, p99Ns: 1e6 };
}

const good = [
  rate('tunnel', 99_000),
  rate('wireguard', 50_000),
  rate('tunnel', 101_000),
  rate('wireguard', 49_000),
  rate('tunnel', 100_000),
  rate('wireguard', 48_000),
  delay('tunnel', 20_000),
  delay('wireguard', 45_000),
];

test('twice as many packets pass, and the figures are told', () => {
  const { passed, figure } = judgeTunnelEnd(good);
  assert.ok(passed, figure);
  assert.is(
    figure,
    "a tunnel's end takes 2.04 × the 200-byte packets of wireguard-go (200 thousand of 98 thousand/s, " +
      '2.00 of 2.00 µs of processor time each, 20 of 45 µs to the wire at 1 000/s), 0 lost',
  );
});

test('too few, a lost or a spoiled one, or nothing decrypted fails, and so does what was not measured', () => {
  for (const bad of [
    [rate('tunnel', 97_000), rate('wireguard', 49_000)],
    [rate('tunnel', 100_000, { sent: 100_001 }), rate('wireguard', 49_000)],
    [rate('tunnel', 100_000, { spoiled: 1 } as Partial<PourRound>), rate('wireguard', 49_000)],
    [rate('tunnel', 100_000), rate('wireguard', 49_000, { decrypted: 0 } as Partial<PourRound>)],
    [rate('tunnel', 100_000)],
    [rate('wireguard', 50_000)],
    [],
  ]) {
    assert.not(judgeTunnelEnd(bad).passed, JSON.stringify(bad));
  }
});

test.run();
