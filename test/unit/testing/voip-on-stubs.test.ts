/** Our VoIP against stubs alone (Spec 3.4): no DHT, no KX, no network, no root; what stands for the tunnel is loopback. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { controlSocketPath } from '../../../src/api/control.js';
import { ControlClient } from '../../../src/api/control-client.js';
import { SUPERVISED_VARIABLE } from '../../../src/api/daemon.js';
import { loadConfig } from '../../../src/config/config.js';
import { parseScript } from '../../../src/testing/stub/script.js';
import { type RunningStub, startStub } from '../../../src/testing/stub/start-stub.js';
import { testHostkeyPath } from '../../support/hostkeys.js';
import { runPeer } from '../../support/run-peer.js';

const PROGRAM = fileURLToPath(new URL('../../../../bin/peer.js', import.meta.url));
const HOST = '127.0.0.1';
const HOPS = [{ identity: Buffer.alloc(32, 1), kxPort: 3001, ipv4: Buffer.from([192, 0, 2, 1]), ipv6: null }];
// A block of 127/8 of this process's own, so that several test runs do not meet.
const CALLEE_ADDRESS = `127.${200 + (process.pid % 50)}.${(process.pid >> 8) % 250}.1`;
const CALLER_ADDRESS = CALLEE_ADDRESS.replace(/1$/, '2');

const test = suite('VoIP on stubs');
const stubs: RunningStub[] = [];
const daemons: ChildProcess[] = [];
let directory = '';

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'peer-stubs-'));
});
test.after(async () => {
  const ended = daemons.map((daemon) => new Promise((resolve) => daemon.once('exit', resolve)));
  for (const daemon of daemons) daemon.kill('SIGTERM');
  await Promise.all(ended);
  await Promise.all(stubs.map((stub) => stub.close()));
  await rm(directory, { recursive: true });
});

async function stub(module: 'dht' | 'kx', rules: readonly object[] = []): Promise<number> {
  const script = parseScript(JSON.stringify({ rules }), 'rules');
  const started = await startStub({ module, host: HOST, port: 0, hops: HOPS, script });
  stubs.push(started);
  return started.port;
}

/** A peer whose DHT and KX are stubs, with one pseudo-identity; its VoIP runs. */
async function startPhone(name: string, dht: number, kx: number, tunIp: string) {
  const file = join(directory, name, 'peer.ini');
  await mkdir(join(directory, name));
  const hostkey = await testHostkeyPath(0);
  const text = `HOSTKEY = ${hostkey}
STATE_DIR = state
[DHT]
HOSTNAME = ${HOST}
PORT = ${dht}
OVERLAY_HOSTNAME = ${HOST}
[KX]
HOSTNAME = ${HOST}
PORT = ${kx}
OUTREACH_HOSTNAME = ${HOST}
TUN_IP = ${tunIp}/24
EXTENSIONS = no
[VOIP]
PORT = 5060
`;
  await writeFile(file, text);
  const { stdout } = await runPeer('id', 'new', name, '-c', file, '--json');
  // Its standard input ends with this process, however that ends, and it with it.
  const daemon = spawn(process.execPath, [PROGRAM, 'voip', '-c', file], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, [SUPERVISED_VARIABLE]: '1' },
  });
  daemons.push(daemon);
  const path = controlSocketPath(loadConfig(file), 'voip');
  for (;;) {
    const control = await ControlClient.connect(path).catch(() => null);
    if (control !== null) return { control, id: JSON.parse(stdout).id as string };
    await pause();
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

/** Asks for the state until it is as it should be. */
async function until(control: ControlClient, done: (state: State) => boolean): Promise<State> {
  for (;;) {
    const { state } = (await control.request('status')) as { state?: State };
    if (state !== undefined && done(state)) return state;
    await pause();
  }
}

interface State {
  readonly identities: readonly { readonly state: string }[];
  readonly call: { readonly state: string; readonly reason?: string } | null;
}

test('it registers, publishes, looks up and dials: the callee rings, and declines', async () => {
  const dht = await stub('dht');
  const ready = { type: 'kx-build-outgoing', answers: [{ ready: { ipv4: CALLEE_ADDRESS } }] };
  const callee = await startPhone('callee', dht, await stub('kx'), CALLEE_ADDRESS);
  const caller = await startPhone('caller', dht, await stub('kx', [ready]), CALLER_ADDRESS);
  const isRegistered = ({ identities }: State) => identities[0]?.state === 'registered';
  for (const { control } of [callee, caller]) await until(control, isRegistered);

  await caller.control.request('call', { to: callee.id });
  await until(callee.control, ({ call }) => call?.state === 'ringing');
  await until(caller.control, ({ call }) => call?.state === 'ringing');
  await callee.control.request('decline');
  const { call } = await until(caller.control, (state) => state.call?.state === 'ended');
  assert.is(call?.reason, 'declined');
});

test.run();
