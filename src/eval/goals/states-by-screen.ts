/**
 * Role: a call's course by the keys of the screen, on the terminals of both parties.
 *
 * Invariants: what the screens show is also what the modules tell; no call before and after.
 *
 * Not here: the terminal (terminal-pane.ts), signals (states-by-signal.ts).
 */

import { fileURLToPath } from 'node:url';
import type { Hosts } from '../namespaces.js';
import { TerminalPane } from '../terminal-pane.js';
import type { CallPerson } from './call-person.js';
import type { Checklist } from './states-results.js';

const PART = 'screen';
const PEER = fileURLToPath(new URL('../../../../bin/peer.js', import.meta.url));

/** Files that the shell around the screen writes, below the peer's directory. */
export const SCREEN_FILES = { pid: 'screen.pid', before: 'stty-before', after: 'stty-after', code: 'code' };

export interface Seat {
  readonly person: CallPerson;
  readonly pane: TerminalPane;
}

export async function takeSeat(hosts: Hosts, person: CallPerson): Promise<Seat> {
  const { host, directory } = person.peer;
  return { person, pane: await TerminalPane.open(hosts, host, directory) };
}

/** Starts the screen from the shell of the terminal, which notes its modes before and after. */
export async function openScreen({ person, pane }: Seat): Promise<void> {
  const { pid, before, after, code } = SCREEN_FILES;
  const screen = `${process.execPath} ${PEER} voip screen -c ${person.peer.config.file}`;
  const line = `rm -f ${after}; stty -g > ${before}; sh -c 'echo $$ > ${pid}; exec ${screen}'; echo $? > ${code}; stty -g > new && mv new ${after}`;
  await pane.type(`clear; ${line}`);
  await pane.press('Enter');
}

/** One calls the other by the name of the contact, and it rings on both screens. */
export async function ringByKeys(caller: Seat, callee: Seat): Promise<void> {
  await caller.pane.press('c');
  await caller.pane.until(/Call \(as main\):/);
  await caller.pane.type(callee.person.name);
  await caller.pane.until(new RegExp(`▸ ${callee.person.name}`));
  await caller.pane.press('Enter');
  await Promise.all([
    caller.pane.until(new RegExp(`${callee.person.name} +ringing`)),
    callee.pane.until(new RegExp(`${caller.person.name} +is calling`)),
  ]);
}

export async function talkByKeys(caller: Seat, callee: Seat): Promise<void> {
  await ringByKeys(caller, callee);
  await callee.pane.press('a');
  for (const { pane } of [caller, callee]) await pane.until(/talking +\d\d:\d\d/);
  for (const { person } of [caller, callee]) await person.untilOnly('active');
}

export async function statesByScreen(checklist: Checklist, alice: Seat, bob: Seat): Promise<void> {
  await checklist.part(PART, async (check) => {
    await check('opened: identity, contacts and keys on it', async () => {
      for (const seat of [alice, bob]) await openScreen(seat);
      for (const { pane } of [alice, bob])
        await pane.until(/main +registered/, /ended|no call/, /(alice|bob), carol/, / c +call/, / q +quit/);
    });
    await check('dialled by the name of a contact, rings, accepted', () => talkByKeys(alice, bob));
    await check('words, levels and quality on both', async () => {
      for (const { pane } of [alice, bob])
        await pane.until(
          ...[/words +\w+ \w+ \w+ \w+/, /input +[█░]{24} -?\d+ dB/, /output +[█░]{24}/],
          ...[/round trip \d+ ms/, /loss \d+\.\d %/, /jitter \d+ ms/],
        );
    });
    await check('muted and not', async () => {
      await alice.pane.press('m');
      await alice.pane.until(/bob +talking.*\[muted\]/);
      await alice.person.untilOnly('active', { muted: true });
      await alice.pane.press('m');
      await alice.person.untilOnly('active', { muted: false });
      await alice.pane.until(/bob +talking +\d\d:\d\d +as main/);
    });
    await check('on hold and not, on both screens', async () => {
      await alice.pane.press('p');
      await Promise.all([alice.pane.until(/bob +on hold/), bob.pane.until(/alice +put you on hold/)]);
      await bob.person.untilOnly('active', { heldByRemote: true });
      await alice.pane.press('p');
      await Promise.all([alice.pane.until(/bob +talking/), bob.pane.until(/alice +talking/)]);
    });
    await check('words compared', async () => {
      await bob.pane.press('w');
      await bob.pane.until(/Do both of you see the same\?/);
      await bob.pane.press('s');
      await bob.pane.until(/words .*\(compared once: same\)/);
    });
    await check('hung up', async () => {
      await alice.pane.press('h');
      await Promise.all([
        alice.pane.until(/bob +ended after \d\d:\d\d: hung up/),
        bob.pane.until(/alice +ended after \d\d:\d\d: the other party hung up/),
      ]);
      await Promise.all([alice.person.untilOver('hung-up'), bob.person.untilOver('remote-hung-up')]);
    });
    await check('declined', async () => {
      await ringByKeys(alice, bob);
      await bob.pane.press('d');
      await alice.pane.until(/bob +ended: the call was declined/);
      await alice.person.untilOver('declined');
    });
    await check('given up while it rings, and a missed call there', async () => {
      await ringByKeys(bob, alice);
      await bob.pane.press('h');
      await alice.pane.until(/Missed calls/, /\d.* bob/);
      await alice.person.untilOver('no-answer');
    });
    await check('what is no identity is refused in words', async () => {
      await alice.pane.press('c');
      await alice.pane.type('nonsense');
      await alice.pane.press('Enter');
      await alice.pane.until(/there is no contact named nonsense/, /peer contact list/);
    });
  });
}
