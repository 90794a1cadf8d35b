import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SCENARIOS } from '../../../../src/eval/sim/scenarios.js';

const test = suite('simulator command');
const MAIN = fileURLToPath(new URL('../../../../src/eval/sim/main.js', import.meta.url));

const run = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

test('wrong usage is told, with all scenarios and their parameters', () => {
  for (const args of [
    [],

    ['nothing'],
    ['trace', '--nodes', 'many'],

    ['trace', 'x'],
  ]) {
    const { status, stdout, stderr } = run(...args);
    assert.is(status, 2, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr, /^sim: /);
    for (const { name, defaults } of SCENARIOS) {
      assert.ok(stderr.includes(`  ${name}: `));
      for (const parameter of Object.keys(defaults)) assert.ok(stderr.includes(`--${parameter} `));
    }
  }
});

test('figures of a scenario are one line of JSON, the same for the same seed, those of the machine apart', () => {
  const small = ['trace', '--nodes', '40', '--traces', '30', '--askers', '5', '--json', '--seed'];
  const figures = (seed: string) => {
    const { status, stdout } = run(...small, seed);
    assert.is(status, 0);
    const all = Object.entries(JSON.parse(stdout) as Record<string, unknown>);
    return Object.fromEntries(all.filter(([name]) => name !== 'seed' && !name.startsWith('machine.')));
  };
  const first = figures('1');
  assert.is(first.traces, 30);
  assert.equal(figures('1'), first);
  assert.not.equal(figures('2'), first);
});

test.run();
