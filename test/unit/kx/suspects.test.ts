import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Candidate } from '../../../src/kx/peer-pool.js';
import { Suspects } from '../../../src/kx/suspects.js';

const test = suite('suspects');
const candidate = (): Candidate => ({ identity: randomBytes(32), address: '10.0.0.1', port: 3001 });
const NOW = 1_800_000_000_000;

test('a suspect is one for a minute, or until a circuit through it works', () => {
  const suspects = new Suspects();
  const [a, b] = [candidate(), candidate()];
  suspects.add(a, NOW);
  suspects.add(b, NOW + 1);
  assert.is(suspects.weigh(a, NOW + 59_000), NOW);
  assert.is(suspects.weigh(a, NOW + 60_000), 0);
  suspects.clear(b);
  assert.is(suspects.weigh(b, NOW + 1), 0);
});

test('whoever lost data stays one for a minute, also where circuits through it are built', () => {
  const suspects = new Suspects();
  const a = candidate();
  suspects.addLossy(a, NOW);
  suspects.add(a, NOW + 1);
  suspects.clear(a);
  assert.ok(suspects.weigh(a, NOW + 60_000) > 0);
  assert.is(suspects.weigh(a, NOW + 60_001), 0);
});

test('who lost data more often is passed over rather than who did lately, or broke', () => {
  const suspects = new Suspects();
  const [liar, honest, broken] = [candidate(), candidate(), candidate()];
  suspects.addLossy(liar, NOW);
  suspects.addLossy(liar, NOW + 1);
  suspects.addLossy(honest, NOW + 2);
  suspects.add(broken, NOW + 3);
  const [a, b, c] = [liar, honest, broken].map((peer) => suspects.weigh(peer, NOW + 4));
  assert.ok((a ?? 0) > (b ?? 0) && (b ?? 0) > (c ?? 0));
});

test('the memory is bounded and forgets the oldest', () => {
  const suspects = new Suspects();
  const first = candidate();
  suspects.add(first, NOW);
  for (let index = 0; index < 300; index += 1) suspects.add(candidate(), NOW);
  assert.is(suspects.weigh(first, NOW), 0);
});

test.run();
