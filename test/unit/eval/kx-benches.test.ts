import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jsonLines } from '../../../src/eval/goals/bench.js';
import { judgeBuild } from '../../../src/eval/goals/kx-build.js';
import { judgeCells } from '../../../src/eval/goals/kx-cells.js';
import { judgeHostile } from '../../../src/eval/goals/kx-hostile.js';

const test = suite('goals of benches');
const few = { body: 336, circuits: 64, ratio: 1.4 };
const many = { body: 336, circuits: 16_384, batch: 32, ratio: 1.5 };
const hop = [few, { ...few, body: 512 }, many, { ...many, body: 512 }];
const cgo = { body: 512, engine: 'AesNi', ratio: 0.6 };
const circuit = { p50Us: 3_100, p99Us: 9_000, roundTripsUs: 200 };
const shaken = [
  { kind: 'hop', perSecond: 8_000 },
  { kind: 'link', perSecond: 9_000 },
] as const;

test('only the lines of the bench that was meant are read', () => {
  const out =
    'for people\n{"bench":"hop","ratio":1}\n{"bench":"hops","ratio":2}\n{"bench":"layer","ratio":3}\n';
  assert.equal(jsonLines(out, 'hop'), [{ bench: 'hop', ratio: 1 }]);
});

test('cells: every ratio counts, and a missing one too', () => {
  assert.ok(judgeCells(hop, [cgo]).passed);
  assert.not(judgeCells(hop.slice(1), [cgo]).passed);
  assert.not(judgeCells(hop, []).passed);
  assert.not(judgeCells(hop, [{ ...cgo, ratio: 0.66 }]).passed);
  assert.not(judgeCells([{ ...few, ratio: 1.81 }, ...hop.slice(1)], [cgo]).passed);
  assert.not(judgeCells([...hop.slice(0, 3), { ...many, ratio: 2.81 }], [cgo]).passed);
});

test('circuits and handshakes: round trips are allowed for, and both kinds must be quick', () => {
  assert.ok(judgeBuild([circuit], shaken).passed);
  assert.not(judgeBuild([{ ...circuit, p50Us: 3_201 }], shaken).passed);
  assert.not(judgeBuild([], shaken).passed);
  assert.not(judgeBuild([circuit], shaken.slice(1)).passed);
  assert.not(judgeBuild([circuit], [{ kind: 'hop', perSecond: 7_999 }, shaken[1]]).passed);
});

test('hostile bytes: enough of both kinds, none delivered, all counted', () => {
  const line = { what: '', injected: 500_000, counted: 500_000, delivered: 0 };
  const lines = ['mutated datagrams', 'mutated cells', 'replayed datagrams', 'replayed cells'].map(
    (what) => ({
      ...line,
      what,
    }),
  );
  assert.ok(judgeHostile(lines).passed);
  assert.not(judgeHostile(lines.slice(1)).passed);
  assert.not(judgeHostile(lines.map((one) => ({ ...one, injected: 499_999, counted: 499_999 }))).passed);
  assert.not(judgeHostile(lines.map((one) => ({ ...one, counted: 499_999 }))).passed);
  assert.not(judgeHostile(lines.map((one) => ({ ...one, delivered: 1 }))).passed);
});

test.run();
