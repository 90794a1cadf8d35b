/** Role: the verdict on an hour of calls. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallRecord, EnduranceResults, Footprint } from '../../../src/eval/endurance/results.js';
import { judgeEndurance, judgeSoak } from '../../../src/eval/goals/voip-endurance.js';

const test = suite('voip 6');
const call: CallRecord = { atSeconds: 0, caller: 'alice', callee: 'bob', script: 'talk' };
const footprint: Footprint = {
  process: "alice's kx",
  earlyMegabytes: 80,
  lateMegabytes: 81,
  descriptorsBefore: 20,
  descriptorsAfter: 20,
};
const good: EnduranceResults = {
  ...{ minutes: 60, calls: new Array(200).fill(call), mishaps: {}, rotations: 1, repairs: 1 },
  ...{ footprints: [footprint], left: [], pesqAfterwards: [3.6, 3.5] },
};
const verdict = (more: Partial<EnduranceResults>) => judgeEndurance({ ...good, ...more }).passed;

test('one call of a hundred may fail by itself, and any that had what it needs killed', () => {
  const failing = (count: number, more: Partial<CallRecord> = {}) =>
    good.calls.map((one, index) => (index < count ? { ...one, fault: 'not ringing', ...more } : one));
  assert.is(verdict({}), true);
  assert.is(verdict({ calls: failing(2) }), true);
  assert.is(verdict({ calls: failing(3) }), false);
  assert.is(verdict({ calls: failing(50, { excuse: "relay's kx killed" }) }), true);
});

test('what is stuck, has grown, has more descriptors or is not heard afterwards fails it', () => {
  const looks = (more: Partial<Footprint>) => verdict({ footprints: [{ ...footprint, ...more }] });
  assert.is(verdict({ left: ['alice has a call that does not end'] }), false);
  assert.is(looks({ lateMegabytes: 92 }), true);
  assert.is(looks({ lateMegabytes: 92.1 }), false);
  assert.is(looks({ lateMegabytes: Number.NaN }), false);
  assert.is(looks({ descriptorsAfter: 21 }), false);
  assert.is(verdict({ footprints: [] }), false);
  assert.is(verdict({ pesqAfterwards: [3.6, null] }), false);
  assert.is(verdict({ pesqAfterwards: [3.6, 2.9] }), false);
});

test('in virtual time nothing is left, and memory stays', () => {
  const soak = {
    ...{ hours: 10, telephones: 24, ends: { 'hung-up': 5 }, resumed: 1, crossed: 1, faults: [] },
    ...{ left: { calls: 0, voices: 0, connections: 0, timers: 0 }, heap: { early: 10e6, late: 11e6 } },
  };
  assert.is(judgeSoak(soak).passed, true);
  assert.is(judgeSoak({ ...soak, heap: { early: 10e6, late: 11.1e6 } }).passed, false);
  assert.is(judgeSoak({ ...soak, faults: ['a call stays ringing'] }).passed, false);
  assert.is(judgeSoak({ ...soak, left: { ...soak.left, timers: 1 } }).passed, false);
});

test.run();
