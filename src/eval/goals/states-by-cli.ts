/**
 * Role: every state of a call by the verbs of the command line, seen from both sides.
 *
 * Invariants: alice, bob, carol and dave have no call before and after; nobody rings at the same person more than four times, as
 * more within five minutes is left to ring unheard.
 *
 * Not here: the verbs and what is waited for (call-person.ts), the same on the screen (states-by-screen.ts).
 */

import { formatPseudoIdentity, generatePseudoIdentity } from '../../identity/pseudo-identity.js';
import type { CallPerson } from './call-person.js';
import { type Checklist, must } from './states-results.js';

const PART = 'command line';

export interface People {
  readonly alice: CallPerson;
  readonly bob: CallPerson;
  readonly carol: CallPerson;
  /** Rings for five seconds only. */
  readonly dave: CallPerson;
}

export async function statesByCli(checklist: Checklist, people: People): Promise<void> {
  await conversation(checklist, people);
  await waitingCall(checklist, people);
  await endsBeforeAnswer(checklist, people);
}

/** Dial, ring, accept, mute, hold, words, hang up. */
function conversation(checklist: Checklist, { alice, bob }: People): Promise<void> {
  return checklist.part(PART, async (check) => {
    const call = alice.call('bob');
    await check('dialled: looking-up, building, connecting, ringing', async () => {
      await call.until({ state: 'ringing' });
      must(call.states.join() === 'looking-up,building,connecting,ringing', `states ${call.states}`);
      await alice.untilOnly('ringing', { direction: 'outgoing', contact: 'bob' });
      await bob.untilOnly('ringing', { direction: 'incoming', contact: 'alice' });
    });
    await check('accepted: active on both sides, with the same words', async () => {
      await bob.verb('accept');
      await call.until({ state: 'active' });
      const [here, there] = [await alice.untilOnly('active'), await bob.untilOnly('active')];
      must(here.words !== undefined && here.words === there.words, `words ${here.words} and ${there.words}`);
    });
    await check('voice both ways', () => voiceFlows(alice));
    await check('muted and not, which only the own side sees', async () => {
      await alice.verb('mute');
      await call.until({ muted: true });
      await bob.untilOnly('active', { muted: false });
      await alice.verb('mute', '--off');
      await call.until({ muted: false });
    });
    await check('on hold and not, which both sides see', async () => {
      await alice.verb('hold');
      await call.until({ held: true });
      await bob.untilOnly('active', { held: false, heldByRemote: true });
      await alice.verb('hold', '--off');
      await call.until({ held: false });
      await bob.untilOnly('active', { heldByRemote: false });
      await bob.verb('hold');
      await call.until({ heldByRemote: true });
      await bob.verb('hold', '--off');
      await call.until({ heldByRemote: false });
    });
    await check('words compared', async () => {
      const contact = (await alice.verb('words', 'same')) as { name: string; words: string };
      must(contact.name === 'bob' && contact.words === 'same', JSON.stringify(contact));
    });
    await check('hung up: hung-up here, remote-hung-up there', async () => {
      await alice.verb('hangup');
      await call.untilEnded('hung-up', 0);
      await alice.untilOver('hung-up');
      await bob.untilOver('remote-hung-up');
    });
  });
}

/** A third peer calls during a call, a fourth when there are two. */
function waitingCall(checklist: Checklist, { alice, bob, carol, dave }: People): Promise<void> {
  return checklist.part(PART, async (check) => {
    const first = alice.call('bob');
    await bob.untilOnly('ringing');
    const { id: firstId } = (await bob.verb('accept')) as { id: number };
    await first.until({ state: 'active' });
    const second = carol.call('bob');
    let secondId = 0;
    await check('a waiting call rings while the first one goes on', async () => {
      await second.until({ state: 'ringing' });
      const { calls } = await bob.until(
        'a second call',
        ({ calls }) => calls.length === 2 && calls[1]?.state === 'ringing' && calls[0]?.held === false,
      );
      secondId = calls[1]?.id ?? 0;
    });
    await check('accepted: the first one is put on hold', async () => {
      await bob.verb('accept');
      await second.until({ state: 'active' });
      await first.until({ heldByRemote: true });
      await bob.until(
        'the first on hold',
        ({ calls }) => calls[0]?.held === true && calls[1]?.held === false,
      );
    });
    await check('swapped: the other one is on hold', async () => {
      await bob.verb('hold', '--off', '--call', String(firstId));
      await first.until({ heldByRemote: false });
      await second.until({ heldByRemote: true });
      await bob.until('the second on hold', ({ calls }) => !calls[0]?.held && calls[1]?.held === true);
    });
    await check('a third caller is told busy', async () => {
      const third = dave.call('bob');
      await third.untilEnded('busy', 1);
      await dave.untilOver('busy');
      await bob.until('two calls still', ({ calls }) => calls.length === 2);
    });
    await check('one is hung up, the other goes on', async () => {
      await bob.verb('hangup', '--call', String(secondId));
      await second.untilEnded('remote-hung-up', 0);
      await bob.untilOnly('active', { id: firstId, held: false });
      await alice.untilOnly('active', { heldByRemote: false });
      await bob.verb('hangup');
      await first.untilEnded('remote-hung-up', 0);
      await bob.untilOver('hung-up');
    });
  });
}

async function endsBeforeAnswer(checklist: Checklist, { alice, bob, carol, dave }: People): Promise<void> {
  await checklist.part(PART, async (check) => {
    await check('declined', async () => {
      const call = carol.call('bob');
      await bob.untilOnly('ringing');
      await bob.verb('decline');
      await call.untilEnded('declined', 1);
      await Promise.all([carol.untilOver('declined'), bob.untilOver('declined')]);
    });
    await check('no answer, and a missed call there', async () => {
      const call = alice.call('dave');
      await dave.untilOnly('ringing');
      await call.untilEnded('no-answer', 1);
      await Promise.all([alice.untilOver('no-answer'), dave.untilOver('no-answer')]);
      const missed = (await dave.verb('log', '--missed')) as { contact?: string }[];
      must(missed.length === 1 && missed[0]?.contact === 'alice', `missed ${JSON.stringify(missed)}`);
    });
    await check('hung up while it rings: hung-up here, no-answer there', async () => {
      const call = carol.call('bob');
      await bob.untilOnly('ringing');
      await carol.verb('hangup');
      await call.untilEnded('hung-up', 1);
      await Promise.all([carol.untilOver('hung-up'), bob.untilOver('no-answer')]);
    });
    await check('hung up by Ctrl-C while dialling', async () => {
      const call = carol.call('bob');
      await call.until({ state: 'looking-up' });
      call.interrupt();
      await call.untilEnded('hung-up', 1);
      must(!call.states.includes('active'), `states ${call.states}`);
      await carol.untilOver('hung-up');
      await bob.until('no call', ({ calls }) => calls.length === 0);
    });
    await check('unknown identity', async () => {
      const call = alice.call(formatPseudoIdentity(generatePseudoIdentity().publicKey));
      await call.untilEnded('unknown-identity', 1);
      await alice.untilOver('unknown-identity');
    });
    await check('neither contact nor identity: refused', async () => {
      const call = alice.call('nobody I know');
      must((await call.exit) === 1, 'not ended with 1');
      must(call.view?.error?.code === 'contact-unknown', JSON.stringify(call.view));
    });
  });
}

/** Packets of voice go both ways. */
export async function voiceFlows({ network, peer }: CallPerson): Promise<void> {
  await network.waitFor(peer, 'voip', 'packets of voice both ways', ({ statistics }) => {
    const voice = statistics?.voice;
    return voice?.sent > 50 && voice?.received > 50;
  });
}
