/**
 * Role: what SIGTERM during a call leaves: of the screen, of the VoIP module, of the whole peer.
 *
 * Not here: how a call comes about (states-by-screen.ts).
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModuleName } from '../../config/config.js';
import type { CallPerson } from './call-person.js';
import { openScreen, SCREEN_FILES, type Seat, talkByKeys } from './states-by-screen.js';
import { type Checklist, must } from './states-results.js';

const PART = 'SIGTERM';
const POLL_MS = 20;
const GIVE_UP_MS = 30_000;
const MODULES: readonly ModuleName[] = ['dht', 'kx', 'voip'];

export interface SignalSetting {
  /** Run by `peer up`, this process. */
  readonly alice: Seat;
  readonly up: ChildProcess;
  /** Each module is a process of its own. */
  readonly bob: Seat;
  readonly bobVoip: ChildProcess;
  readonly startBobVoip: () => ChildProcess;
}

export async function statesBySignal(checklist: Checklist, setting: SignalSetting): Promise<void> {
  const { alice, bob, up, bobVoip, startBobVoip } = setting;
  await checklist.part(PART, async (check) => {
    await talkByKeys(bob, alice);
    await check('to the screen: terminal as before, the call goes on', () => endScreen(alice));
    await check('the screen opened again shows the call', async () => {
      for (const { person } of [alice, bob]) await person.untilOnly('active', { interrupted: false });
      await openScreen(alice);
      await alice.pane.until(/bob +talking +\d\d:\d\d/);
    });
    await check('to the VoIP module: ended with 0, the other side knows', async () => {
      const endedAfterMs = await endProcess(bobVoip);
      await alice.person.untilOver('remote-hung-up');
      await alice.pane.until(/bob +ended after \d\d:\d\d: the other party hung up/);
      return endedAfterMs;
    });
    await check('its screen says how to start it, and goes on when it is back', async () => {
      await bob.pane.until(/the VoIP module of this peer is not running; start it with: peer up -c/);
      startBobVoip();
      await bob.pane.until(/main +registered/);
    });
    await talkByKeys(bob, alice);
    await check('to peer up: all modules gone, the other side knows', async () => {
      const pids = await Promise.all(MODULES.map((module) => pidOf(alice.person, module)));
      const endedAfterMs = await endProcess(up);
      const left = pids.filter(isAlive);
      must(left.length === 0, `processes left: ${left}`);
      await bob.person.untilOver('remote-hung-up');
      await bob.pane.until(/alice +ended after \d\d:\d\d: the other party hung up/);
      await alice.pane.until(/the VoIP module of this peer is not running/);
      return endedAfterMs;
    });
    await check('to the screens without and with a module', async () =>
      Math.max(await endScreen(alice), await endScreen(bob)),
    );
  });
}

/** From the signal to the shell's prompt; what the terminal is afterwards must be what it was. */
async function endScreen({ person, pane }: Seat): Promise<number> {
  const file = (name: string) => readFile(join(person.peer.directory, name), 'utf8').catch(() => '');
  must((await pane.modes()).secondScreen, 'the screen is not on the second screen of the terminal');
  const begun = performance.now();
  process.kill(Number(await file(SCREEN_FILES.pid)), 'SIGTERM');
  let after = '';
  while (after === '' && performance.now() - begun < GIVE_UP_MS) {
    after = await file(SCREEN_FILES.after);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const endedAfterMs = Math.round(performance.now() - begun);
  must(after !== '', 'the screen did not end');
  const before = await file(SCREEN_FILES.before);
  must(before !== '' && after === before, `modes of the terminal ${after}, before ${before}`);
  must(
    (await file(SCREEN_FILES.code)).trim() === '0',
    `the screen ended with ${await file(SCREEN_FILES.code)}`,
  );
  const { secondScreen, cursor } = await pane.modes();
  must(!secondScreen, 'the second screen of the terminal is left');
  must(cursor, 'the cursor is left hidden');
  const text = await pane.text();
  must(!/Contacts|Identities/.test(text), `what was shown is left:\n${text}`);
  return endedAfterMs;
}

/** From the signal to the exit, with code 0. */
async function endProcess(child: ChildProcess): Promise<number> {
  const exit = once(child, 'exit');
  const begun = performance.now();
  child.kill('SIGTERM');
  const late = new Promise<null>((resolve) => setTimeout(resolve, GIVE_UP_MS, null).unref());
  const ended = await Promise.race([exit, late]);
  must(ended !== null, 'it did not end');
  must(ended?.[0] === 0, `it ended with ${ended?.[1] ?? ended?.[0]}`);
  return Math.round(performance.now() - begun);
}

async function pidOf({ network, peer }: CallPerson, module: ModuleName): Promise<number> {
  return ((await network.request(peer, module, 'status')) as { pid: number }).pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
