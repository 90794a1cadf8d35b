/** Four hours of virtual time of telephones that do by chance whatever a person may do. */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallSoakResults } from '../../../src/eval/call-soak-results.js';

const test = suite('four hours of calls');
const PROGRAM = fileURLToPath(new URL('../../../src/eval/sim/call-soak.js', import.meta.url));

test('nothing gets stuck, nobody speaks twice, and nothing is left', () => {
  const printed = execFileSync(process.execPath, ['--expose-gc', PROGRAM, '4', '24', '7'], {
    encoding: 'utf8',
  });
  const { ends, resumed, crossed, faults, left } = JSON.parse(printed) as CallSoakResults;
  assert.equal(faults, []);
  assert.equal(left, { calls: 0, voices: 0, connections: 0, timers: 0 });
  for (const reason of ['hung-up', 'remote-hung-up', 'declined', 'no-answer', 'lost'])
    assert.ok((ends[reason] ?? 0) > 0, `no call ended as ${reason}`);
  assert.ok(resumed > 10 && crossed > 3, `${resumed} resumed, ${crossed} crossed`);
});

test.run();
