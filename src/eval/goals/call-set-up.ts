/**
 * Role: measures how long it takes from dialling to ringing, in a network of real peers over emulated links.
 *
 *   node call-set-up.js [CALLS] [PAUSE_SECONDS]    runs itself in a sandbox and prints one line of JSON: SetUpResults; with a pause before each round
 *
 * Invariants: nobody has called its callee shortly before, so nothing of the call stands ready but what a peer keeps ready
 * anyway; every round has other pairs, and nobody is in two calls at once.
 *
 * Not here: what the figures must be (voip-set-up.ts).
 */

import { fileURLToPath } from 'node:url';
import { controlSocketPath } from '../../api/control.js';
import { ControlClient } from '../../api/control-client.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import { prepareInside, runInSandbox, sandboxDirectory } from '../sandbox.js';
import { WanHosts } from '../wan-hosts.js';
import { AT_ONCE, CALLS, LINK, PEERS, type SetUp, type SetUpResults } from './call-set-up-results.js';
import { finishWith } from './finish.js';

const SELF = fileURLToPath(import.meta.url);
const SEED = 20_260_101;
const PATIENCE_MS = 90_000;
const REGISTERED_MS = 180_000;

const directory = sandboxDirectory();
if (directory === null) {
  process.exitCode = await runInSandbox(SELF, process.argv.slice(2));
} else {
  prepareInside();
  finishWith(await measure(Number(process.argv[2] ?? CALLS), Number(process.argv[3] ?? 0), directory));
}

interface Telephone {
  readonly id: string;
  readonly control: ControlClient;
}

async function measure(calls: number, pauseSeconds: number, below: string): Promise<SetUpResults> {
  const names = Array.from({ length: PEERS }, (_, index) => `p${index}`);
  const hosts = await WanHosts.make(names, LINK, SEED);
  const network = new PeerNetwork(hosts, below);
  try {
    const telephones = await start(network, names);
    const setUps: SetUp[] = [];
    for (let round = 0; setUps.length < calls; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, pauseSeconds * 1_000));
      const pairs = pairsOf(round).slice(0, calls - setUps.length);
      const rung = await Promise.all(
        pairs.map(([caller, callee]) =>
          callUp(telephones[caller] as Telephone, telephones[callee] as Telephone),
        ),
      );
      setUps.push(...rung);
      if (round % 5 === 0) tell(`${setUps.length} of ${calls} calls`);
    }
    for (const { control } of telephones) control.close();
    await network.stop();
    return { setUps, emulator: await hosts.end() };
  } finally {
    await network.stop();
  }
}

async function start(network: PeerNetwork, names: readonly string[]): Promise<Telephone[]> {
  for (const [index, name] of names.entries()) {
    tell(`making peer ${index + 1} of ${names.length} …`);
    const peer = await network.add(name);
    await network.runPeer(peer.host, ['id', 'new', 'main', '-c', peer.config.file]);
    network.start(peer, 'up', ['up', '-c', peer.config.file]);
  }
  tell('waiting until everybody can be called …');
  return Promise.all(network.peers.map((peer) => telephoneOf(network, peer)));
}

async function telephoneOf(network: PeerNetwork, peer: NetworkPeer): Promise<Telephone> {
  let id = '';
  await network.waitFor(
    peer,
    'voip',
    'its registration',
    ({ identities }) => {
      id = identities[0]?.id ?? '';
      return identities[0]?.state === 'registered';
    },
    REGISTERED_MS,
  );
  const control = await ControlClient.connect(controlSocketPath(peer.config, 'voip'));
  await control.request('subscribe');
  return { id, control };
}

/** Everybody once, by the circle of a tournament: each round other pairs, and every second turn the other way round. */
function pairsOf(round: number): [number, number][] {
  const rest = PEERS - 1;
  const place = (index: number) => (index === 0 ? 0 : 1 + ((index - 1 + round) % rest));
  const turned = Math.floor(round / rest) % 2 === 1;
  return Array.from({ length: AT_ONCE }, (_, index) => {
    const [one, other] = [place(index), place(PEERS - 1 - index)];
    return turned ? [other, one] : [one, other];
  });
}

/** Dials, waits until it rings or ends, and hangs up. */
async function callUp(caller: Telephone, callee: Telephone): Promise<SetUp> {
  const begun = performance.now();
  const steps: { state: string; afterMs: number }[] = [];
  let view: CallEvent = { id: 0, state: '' };
  let call: number | null = null;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, PATIENCE_MS);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    caller.control.onEvent = (event, data) => {
      const seen = data as CallEvent;
      if (event !== 'call' || (call !== null && seen.id !== call)) return;
      view = seen;
      steps.push({ state: seen.state, afterMs: Math.round(performance.now() - begun) });
      if (seen.state === 'ringing' || seen.state === 'ended') end();
    };
    caller.control.request('call', { to: callee.id }).then((begun) => {
      call = (begun as CallEvent).id;
    }, reject);
  });
  caller.control.onEvent = () => {};
  await caller.control.request('hangup', {}, { timeoutMs: 20_000 }).catch(() => {});
  await Promise.all([caller, callee].map(untilFree));
  const { ringingAfterMs = null, reason, detail } = view;
  return {
    ringingAfterMs,
    steps,
    ...(reason === undefined ? {} : { reason }),
    ...(detail === undefined ? {} : { detail }),
  };
}

/** The end of a call is under way to the other side, who may be the next to dial. */
async function untilFree({ control }: Telephone): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const { state } = (await control.request('status')) as { state: { calls: readonly unknown[] } };
    if (state.calls.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What is used of the event `call`. */
interface CallEvent {
  readonly id: number;
  readonly state: string;
  readonly ringingAfterMs?: number;
  readonly reason?: string;
  readonly detail?: string;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
