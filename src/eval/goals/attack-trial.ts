/**
 * Role: one attacker, or nobody, against honest peers that go on telephoning, and what came of it.
 *
 * Not here: the network (attack-trials.ts), the calls (attacked-calls.ts), what the figures must be (attacks.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ModuleName } from '../../config/config.js';
import { parsePseudoIdentity } from '../../identity/pseudo-identity.js';
import type { NetworkPeer, PeerNetwork } from '../peer-network.js';
import { identityAt } from './attack-places.js';
import { ATTACKED_SECONDS, type AttackTrial, type ListedAttacker } from './attack-results.js';
import { callAgainAndAgain, type Phone, StandingCall, sum } from './attacked-calls.js';
import { AttackedContents } from './attacked-contents.js';

const SEED = '1';
/** Positions are found meanwhile. */
const PREPARED_MS = 600_000;
const ENDED_MS = 20_000;
const LOOK_MS = 1_000;
/** A call that is to last takes other hops, until the attacker stands where it waits to stand: it knows a call after three seconds. */
const REDIAL_MS = 10_000;
/** By number of the peer: calls that last, and who calls whom again and again; the others relay and store alone. */
const STANDING = [
  [0, 1],
  [2, 3],
] as const;
const CALLING = [
  [4, 7],
  [5, 8],
  [6, 9],
] as const;
/** Whose APIs are attacked. */
const CALLER = 4;
/** Whose pseudo-identity is, and with it the record under that key. */
const CALLED = 7;

/** By path in `peer status --json`. */
type Counts = Readonly<Record<string, number>>;

export class Trials {
  readonly contents: AttackedContents;
  readonly #standing: readonly StandingCall[];

  constructor(
    readonly network: PeerNetwork,
    readonly honest: readonly NetworkPeer[],
    readonly phones: readonly Phone[],
  ) {
    this.contents = new AttackedContents(
      honest.map(({ config }) => ({ host: config.dht?.host ?? '', port: config.dht?.port ?? 0 })),
    );
    this.#standing = STANDING.map(
      ([caller, callee]) => new StandingCall(phones[caller] as Phone, phones[callee] as Phone),
    );
  }

  /** Never rejects: what kept it from being tried is its fault. */
  async tryOne(attacker: ListedAttacker | null, mallory: Mallory): Promise<AttackTrial> {
    const name = attacker?.name ?? null;
    tell(`${name ?? 'nobody'} …`);
    const nothing = {
      calls: [],
      standing: { calls: STANDING.length, kept: 0 },
      voice: { received: 0, lost: 0 },
    };
    const none = { ...nothing, gets: [], counted: {}, done: {}, seconds: 0, attacker: name };
    let running: RunningAttacker | null = null;
    try {
      // One after the other: none of them is to meet what another one sets off.
      for (const call of this.#standing) await call.begin();
      let before: Counts = {};
      let victim = (this.phones[CALLED] as Phone).id;
      if (attacker !== null) {
        if (attacker.waitsFor === 'exchange-point')
          victim = await identityAt(this.network, this.honest[CALLED] as NetworkPeer, mallory.identity);
        const isClient = attacker.name.startsWith('api-');
        if (!isClient) await mallory.leave();
        const from = isClient ? (this.honest[CALLER] as NetworkPeer) : mallory.peer;
        running = launchAttacker(this.network, from, attacker, victim);
        before = await this.#untilBegun(running, attacker);
      }
      const trial = await this.#during(attacker, running, before, victim);
      tell(JSON.stringify(trial));
      return trial;
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      tell(`${name}: ${fault}`);
      return { ...none, fault };
    } finally {
      await running?.stop();
      mallory.behave();
    }
  }

  /** What had been counted when it began. Errors: what keeps it from beginning, and from calls coming about meanwhile. */
  async #untilBegun({ begun }: RunningAttacker, { counters, waitsFor }: ListedAttacker): Promise<Counts> {
    let hasBegun = false;
    const note = () => {
      hasBegun = true;
    };
    begun.then(note, note);
    let before: Counts = {};
    for (let dialledAt = performance.now(); !hasBegun; ) {
      before = await this.#counters(counters);
      await Promise.race([begun, pause(LOOK_MS)]);
      if (hasBegun || waitsFor !== 'call' || performance.now() - dialledAt < REDIAL_MS) continue;
      for (const call of this.#standing) await call.again();
      dialledAt = performance.now();
    }
    await begun;
    return before;
  }

  async #during(
    attacker: ListedAttacker | null,
    running: RunningAttacker | null,
    before: Counts,
    victim: string,
  ): Promise<AttackTrial> {
    const paths = attacker?.counters ?? [];
    const begun = performance.now();
    let over = false;
    let after = before;
    const watch = async () => {
      for (;;) {
        await pause(LOOK_MS);
        const seconds = (performance.now() - begun) / 1000;
        after = await this.#counters(paths);
        const risen = paths.every((path) => (after[path] ?? 0) > (before[path] ?? 0));
        if ((risen && seconds >= ATTACKED_SECONDS.least) || seconds >= ATTACKED_SECONDS.most) break;
      }
      over = true;
    };
    const [lanes, gets] = await Promise.all([
      Promise.all(
        CALLING.map(([caller, callee]) => {
          const [from, other] = [this.phones[caller] as Phone, this.phones[callee] as Phone];
          return callAgainAndAgain(from, other, callee === CALLED ? victim : other.id, () => over);
        }),
      ),
      this.contents.askAgainAndAgain(() => over),
      watch(),
    ]);
    const standing = await Promise.all(this.#standing.map((call) => call.end()));
    return {
      attacker: attacker?.name ?? null,
      seconds: (performance.now() - begun) / 1000,
      calls: lanes.flatMap(({ calls }) => calls),
      standing: { calls: standing.length, kept: standing.filter(({ kept }) => kept).length },
      voice: sum([...lanes, ...standing].map(({ voice }) => voice)),
      gets,
      counted: Object.fromEntries(paths.map((path) => [path, (after[path] ?? 0) - (before[path] ?? 0)])),
      done: running?.done() ?? {},
    };
  }

  /** Sums over all honest peers. */
  async #counters(paths: readonly string[]): Promise<Counts> {
    const sums: Record<string, number> = {};
    const modules = [...new Set(paths.map((path) => path.split('.')[0] as ModuleName))];
    for (const peer of this.honest) {
      for (const module of modules) {
        const status = await this.network.request(peer, module, 'status');
        for (const path of paths) {
          const [of, ...names] = path.split('.');
          const value = of === module ? valueAt(status, names) : 0;
          sums[path] = (sums[path] ?? 0) + value;
        }
      }
    }
    return sums;
  }
}

function valueAt(status: unknown, names: readonly string[]): number {
  const value = names.reduce<unknown>(
    (at, name) => (at as Record<string, unknown> | undefined)?.[name],
    status,
  );
  return typeof value === 'number' ? value : 0;
}

/** The peer that attacks, and is an honest one otherwise. */
export class Mallory {
  #up: ChildProcess | null = null;

  constructor(
    readonly network: PeerNetwork,
    readonly peer: NetworkPeer,
    /** Peer identity, in hexadecimal. */
    readonly identity: string,
  ) {}

  behave(): void {
    this.#up ??= this.network.start(this.peer, 'up', ['up', '-c', this.peer.config.file]);
  }

  async leave(): Promise<void> {
    if (this.#up !== null) await end(this.#up, once(this.#up, 'exit'));
    this.#up = null;
  }
}

async function end(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), ENDED_MS);
  await exited;
  clearTimeout(late);
}

interface RunningAttacker {
  /** Resolves once it attacks. */
  readonly begun: Promise<void>;
  /** What it has told last. */
  done(): Counts;
  stop(): Promise<void>;
}

/** `victim`: pseudo-identity. */
function launchAttacker(
  network: PeerNetwork,
  peer: NetworkPeer,
  { name, waitsFor }: ListedAttacker,
  victim: string,
): RunningAttacker {
  const key = parsePseudoIdentity(victim).toString('hex');
  const args = ['test', 'attacker', name, '--seed', SEED, '--key', key, '--json', '-c', peer.config.file];
  const child: ChildProcess = network.start(peer, `attacker-${name}`, [
    ...args,
    ...(waitsFor === null ? [] : ['--wait']),
  ]);
  const exited = once(child, 'exit');
  let counts: Counts = {};
  const begun = new Promise<void>((resolve, reject) => {
    setTimeout(() => reject(new Error('the attacker was not ready in time')), PREPARED_MS).unref();
    void exited.then(() => reject(new Error('the attacker ended by itself')));
    if (child.stdout === null) throw new Error('no output of the attacker');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as { state?: string; counts?: Counts; error?: { message: string } };
      if (told.error !== undefined) reject(new Error(told.error.message));
      counts = told.counts ?? counts;
      if (told.state === 'attacking') resolve();
    });
  });
  begun.catch(() => {});
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  return { begun, done: () => counts, stop: async () => (isOver() ? undefined : end(child, exited)) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
