import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgePrivate } from '../../../src/eval/goals/dht-private.js';

const test = suite('goal of private lookups');
const linking = {
  ...{ part: 'linking' as const, gets: 100_000, colluders: 0.2 },
  ...{ linked: 0.0432, linkedRequesters: 0.2, onionsPerGet: 1.1 },
};
const latency = {
  ...{ part: 'latency' as const, nodes: 100, gets: 100, directP50Ms: 40, privateP50Ms: 100 },
  ...{ roundTripMs: 20, tainted: 0, strangers: 0 },
};

test('every part counts, and a missing one too', () => {
  assert.ok(judgePrivate([linking, latency]).passed);
  assert.not(judgePrivate([linking]).passed);
  assert.not(judgePrivate([latency]).passed);
  assert.not(judgePrivate([{ ...linking, linked: 0.0441 }, latency]).passed);
  assert.not(judgePrivate([{ ...linking, gets: 99_999 }, latency]).passed);
  assert.not(judgePrivate([linking, { ...latency, tainted: 1 }]).passed);
  assert.not(judgePrivate([linking, { ...latency, strangers: 1 }]).passed);
  assert.not(judgePrivate([linking, { ...latency, privateP50Ms: 107 }]).passed);
  assert.not(judgePrivate([linking, { ...latency, gets: 0 }]).passed);
});

test.run();
