/** A minute and a half of calls on eight real peers, in which processes die and devices vanish: the hour of `voip 6`, short. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EnduranceResults } from '../../src/eval/endurance/results.js';

const PROGRAM = fileURLToPath(new URL('../../src/eval/endurance/main.js', import.meta.url));

const test = suite('endurance');
let results: EnduranceResults;

test.before(async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '1.5']);
  results = JSON.parse(stdout);
});

test('every call goes as it should but those whose peer was killed', () => {
  assert.ok(results.calls.length >= 3, `${results.calls.length} calls`);
  const failed = results.calls.filter(({ fault, excuse }) => fault !== undefined && excuse === undefined);
  assert.equal(failed, []);
});

test('something went wrong, and nothing is stuck or left over', () => {
  assert.ok(Object.keys(results.mishaps).length > 0);
  assert.equal(results.left, []);
  for (const { process, descriptorsBefore, descriptorsAfter } of results.footprints)
    assert.ok(descriptorsAfter <= descriptorsBefore, `${process}: ${descriptorsBefore}, ${descriptorsAfter}`);
});

test('one is heard afterwards', () => {
  for (const pesq of results.pesqAfterwards)
    assert.ok(pesq !== null && pesq >= 3, `${results.pesqAfterwards}`);
});

test.run();
