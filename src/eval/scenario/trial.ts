/**
 * Role: one trial: a network of real peers as a scenario wants it, its calls, and what was measured.
 *
 *   node trial.js JOB.json RESULT.json    inside a sandbox (evaluation.ts); JOB.json: a Job, RESULT.json: TrialOutcome
 *
 * Invariants: all is real: processes, keys, sound servers, the calls by the commands of a person. RESULT.json is there unless this
 * was interrupted. Logs of the peers are kept where something failed.
 *
 * Not here: which trials there are (evaluation.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Keepsake } from '../demo/keepsake.js';
import { waitUntilRegistered, waitUntilUp } from '../demo/neighbourhood.js';
import type { Person } from '../demo/person.js';
import { Progress } from '../demo/progress.js';
import { type NetworkPeer, PeerNetwork } from '../peer-network.js';
import type { Trial } from '../report/results.js';
import { prepareInside, sandboxDirectory } from '../sandbox.js';
import { identityOf, settlePerson } from '../settled-person.js';
import { makeCalls } from './calls.js';
import { echoesBetween } from './emulator-check.js';
import { type Environment, joinHosts } from './environment.js';
import { type NetworkPlan, planNetwork, wantedRoundTripMs } from './network-plan.js';
import { PeerLoads, type WatchedPeer } from './peer-loads.js';
import type { Scenario } from './scenario.js';

export interface Job {
  readonly environment: Environment;
  readonly scenario: Scenario;
  readonly seed: number;
  /** PEM files, one for each peer. */
  readonly hostkeys: readonly string[];
  readonly isQuiet: boolean;
  /** Where logs are kept, if something fails. */
  readonly keepIn: string;
}

export type TrialOutcome = Omit<Trial, 'values' | 'repetition' | 'seed'>;

const directory = sandboxDirectory();
if (directory === null) throw new Error('to be started by evaluation.ts');
prepareInside();
const [jobFile = '', resultFile = ''] = process.argv.slice(2);
const job = JSON.parse(readFileSync(jobFile, 'utf8')) as Job;
writeFileSync(resultFile, JSON.stringify(await run(job, directory)));
process.exit(0);

async function run(job: Job, below: string): Promise<TrialOutcome> {
  const begunMs = performance.now();
  const seconds = () => (performance.now() - begunMs) / 1_000;
  let outcome: TrialOutcome;
  try {
    outcome = { ...(await measure(job, below)), seconds: seconds() };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    outcome = { seconds: seconds(), failure, calls: [], peers: [], emulator: null };
  }
  const failed = outcome.failure !== undefined || outcome.calls.some(({ failure }) => failure !== undefined);
  if (failed) new Keepsake(job.keepIn).keepLogs(below);
  return outcome;
}

async function measure(job: Job, below: string) {
  const { scenario, seed, isQuiet } = job;
  const progress = new Progress(isQuiet ? nobody() : process.stderr);
  const plan = planNetwork(scenario);
  const joined = await joinHosts(job.environment, plan, seed);
  const { hosts } = joined;
  progress.step(`${plan.hosts.length} peers, ${joined.told}`);
  const network = new PeerNetwork(hosts, below);
  try {
    const { people, watched } = await start(network, plan, job, progress);
    await waitUntilUp(network, progress);
    for (const { peer } of people.values()) await waitUntilRegistered(network, peer, progress);
    const pairs = await Promise.all(
      plan.pairs.map(async ({ caller, callee }, index) => {
        const [one, other] = [people.get(caller), people.get(callee)] as [Person, Person];
        return { index, caller: one, callee: other, calleeId: await identityOf(network, other.peer) };
      }),
    );
    const [first] = pairs as [(typeof pairs)[0]];
    const [one, other] = [first.caller.peer.host, first.callee.peer.host];
    const roundTripsMs = await echoesBetween(hosts, one, other);
    const echoes = { wantedMs: wantedRoundTripMs(plan, one.name, other.name), roundTripsMs };
    const loads = await PeerLoads.begin(network, watched, joined.isLink);
    const calls = await Promise.all(
      pairs.map((pair) => {
        const directory = join(below, `recordings-${pair.index}`);
        mkdirSync(directory);
        const tell = (text: string) => progress.step(text);
        return makeCalls(pair, { ...{ network, directory, tell }, ...scenario.calls });
      }),
    );
    const peers = await loads.end();
    await network.stop();
    return { calls: calls.flat(), peers, emulator: await joined.end(echoes) };
  } finally {
    await network.stop();
  }
}

async function start(network: PeerNetwork, plan: NetworkPlan, job: Job, progress: Progress) {
  const { scenario, hostkeys } = job;
  const people = new Map<string, Person>();
  const watched: WatchedPeer[] = [];
  const roleOf = (name: string) => {
    const pair = plan.pairs.find(({ caller, callee }) => name === caller || name === callee);
    return pair === undefined ? 'relay' : name === pair.caller ? 'caller' : 'callee';
  };
  for (const [index, { name, region }] of plan.hosts.entries()) {
    const role = roleOf(name);
    let peer = await configure(network, await network.add(name, [], hostkeys[index]), scenario);
    let person: Person | null = null;
    if (role !== 'relay') {
      const echoCancellation = scenario.config.VOIP.ECHO_CANCELLATION === 'yes';
      person = await settlePerson(network, peer, { server: 'pulse', echoCancellation });
      people.set(name, person);
      peer = person.peer;
    }
    watched.push({ peer, supervisor: startPeer(network, peer, role, person), region, role });
    progress.step(`${name} is started (${watched.length} of ${plan.hosts.length})`);
  }
  return { people, watched };
}

function startPeer(
  network: PeerNetwork,
  peer: NetworkPeer,
  role: string,
  person: Person | null,
): ChildProcess {
  const answers = role === 'callee' ? ['--auto-answer'] : [];
  return network.start(peer, 'up', ['up', '-c', peer.config.file, ...answers], person?.environment);
}

/** Writes the parameters that the scenario chooses into the config; echo cancellation is a matter of the sound. */
async function configure(
  network: PeerNetwork,
  peer: NetworkPeer,
  { config }: Scenario,
): Promise<NetworkPeer> {
  return network.reconfigure(peer, (text) =>
    Object.entries(config).reduce((changed, [section, parameters]) => {
      const lines = Object.entries(parameters)
        .filter(([name]) => name !== 'ECHO_CANCELLATION')
        .map(([name, value]) => `${name} = ${value}\n`);
      return changed.replace(`[${section}]\n`, `[${section}]\n${lines.join('')}`);
    }, text),
  );
}

function nobody(): NodeJS.WritableStream {
  return { write: () => true } as unknown as NodeJS.WritableStream;
}
