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
  assert.is(suspects.since(a, NOW + 59_000), NOW);
  assert.is(suspects.since(a, NOW + 60_000), 0);
  suspects.clear(b);
  assert.is(suspects.since(b, NOW + 1), 0);
});

test('the memory is bounded and forgets the oldest', () => {
  const suspects = new Suspects();
  const first = candidate();
  suspects.add(first, NOW);
  for (let index = 0; index < 300; index += 1) suspects.add(candidate(), NOW);
  assert.is(suspects.since(first, NOW), 0);
});

test.run();
