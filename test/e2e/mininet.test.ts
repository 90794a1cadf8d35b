/** `peer eval run` on mininet's hosts: a real call between them, links by tc as a scenario wants them, and what is left at the end. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readResults } from '../../src/eval/report/results.js';
import { needMininet } from '../support/mininet.js';
import { runPeer, startPeer } from '../support/run-peer.js';
import { runScenario } from '../support/scenario.js';

const GONE_MS = 15_000;
/** Processes of mininet's hosts have their names in their command lines. */
const MARK = randomBytes(3).toString('hex');
const [NEAR, FAR] = [`n${MARK}`, `f${MARK}`];
const ONE_CALL = `
description = "One call between mininet hosts of two regions"
[regions.${NEAR}]
peers = 3
[regions.${FAR}]
peers = 2
[link]
delayMs = 5
[links.${NEAR}.${FAR}]
delayMs = 20
[calls]
seconds = 5
`;

const test = suite<{ directory: string; file: string }>('mininet');
test.before((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-e2e-mininet-'));
  context.file = join(context.directory, 'call.toml');
  writeFileSync(context.file, ONE_CALL);
});
test.after(({ directory }) => rmSync(directory, { recursive: true }));

test('links are made by tc as a scenario wants them, and packets take them', async () => {
  needMininet();
  const { isReal, refused, tc, echoes, left } = await runScenario(
    new URL('./mininet-scenario.js', import.meta.url),
  );
  for (const { length } of Object.values<(number | null)[]>(echoes)) assert.ok(length > 0);
  for (const [name, wantedMs] of Object.entries({ near: 8, far: 80, back: 80, farIpv6: 80 })) {
    for (const time of echoes[name]) {
      assert.type(time, 'number', `${name}: an echo was lost`);
      if (isReal) assert.ok(time >= wantedMs, `${name}: ${time} ms`);
    }
  }
  if (!isReal) {
    assert.match(refused, /mininet cannot make the network: tc qdisc add dev .* netem/);
    const told = (pattern: RegExp) => tc.filter((line: string) => pattern.test(line)).length;
    assert.is(told(/dev eth0 .* netem delay 5ms 1ms limit 100000$/), 3);
    assert.is(told(/dev eth0 .* netem delay 5ms 1ms loss 2\.00000 limit 100000$/), 2);
    assert.is(told(/dev s[12]to[12]-eth\d+ .* rate 20\.000000Mbit burst 15k$/), 2);
    assert.is(told(/dev s[12]to[12]-eth\d+ parent 5:1 .* netem delay 40ms limit 400$/), 2);
    assert.is(told(/netem/), 7);
  }
  assert.equal(left, { interfaces: [], namespaces: [], processes: [] });
});

test('a call between mininet hosts of two regions is measured, and the report says mininet', async ({
  directory,
  file,
}) => {
  needMininet();
  const out = join(directory, 'call');
  const { code, stdout, stderr } = await runPeer(
    ...['eval', 'run', file, '--environment', 'mininet', '--out', out, '--json'],
  );
  assert.is(code, 0, `${stdout}${stderr}`);
  const { passed, environment, points } = JSON.parse(stdout);
  assert.ok(passed);
  assert.match(environment, /^mininet \d/);
  const { callsDone, mouthToEarMs, roundTripMs, sentKbps, emulatorErrorMs } = points[0].measures;
  assert.is(callsDone.min, 100);
  // Six links of 5 ms at least.
  assert.ok(mouthToEarMs.mean >= 30 && roundTripMs.mean >= 60);
  assert.ok(sentKbps.min > 1);
  // Echoes took the delays that were wanted, not those of plain links.
  assert.ok(emulatorErrorMs.mean > -1, `${emulatorErrorMs.mean}`);
  assert.is(readResults(out).environment, environment);
  assert.ok(readFileSync(join(out, 'report.html'), 'utf8').includes(environment));
});

test('killed without a word, it leaves nothing of mininet behind', async ({ directory, file }) => {
  needMininet();
  const ours = () =>
    execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(`mininet:${NEAR}`));
  const running = startPeer(
    ...['eval', 'run', file, '--environment', 'mininet', '--out', join(directory, 'killed')],
  );
  await running.until(/each a mininet host/);
  assert.is(ours().length, 3);
  assert.not.ok(existsSync('/sys/class/net/s1'), 'its bridges are in a namespace of their own');
  running.child.kill('SIGKILL');
  const end = performance.now() + GONE_MS;
  while (ours().length > 0) {
    assert.ok(performance.now() < end, `still there: ${ours().join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test.run();
