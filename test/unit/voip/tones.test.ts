/** Which tone is heard where, and when it ends. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { playTone } from '../../../src/engine/tones.js';
import { PeerError } from '../../../src/errors.js';
import { createLogger } from '../../../src/log.js';
import type { CallView } from '../../../src/voip/call.js';
import { Tones } from '../../../src/voip/tones.js';

const LOG = createLogger({ level: 'silent', name: 'test' });
const IDLE = { muted: false, held: false, heldByRemote: false, interrupted: false };
const INCOMING: CallView = { id: 1, direction: 'incoming', remote: 'abc', state: 'ringing', ...IDLE };
const OUTGOING: CallView = { id: 2, direction: 'outgoing', remote: 'def', state: 'looking-up', ...IDLE };

/** Tones that are written down: what begins, where, and what is stopped. */
function telephone(config: { tones?: boolean; ringDevice?: string | null } = {}) {
  const heard: string[] = [];
  const tones = new Tones({
    config: { tones: true, audioServer: 'auto', ringDevice: null, ringSeconds: 45, ...config },
    loudspeaker: () => 'headset',
    log: LOG,
    play: (tone, { device, mostMs }) => {
      heard.push(`${tone} on ${device} for ${mostMs}`);
      return { stop: () => heard.push(`no ${tone}`) };
    },
  });
  /** What is heard after these changes, which come at once. */
  const after = async (...calls: CallView[]) => {
    for (const call of calls) tones.changed(call);
    await new Promise((resolve) => setImmediate(resolve));
    return heard.splice(0);
  };
  return { after, tones };
}

const test = suite('tones');

test('a call rings on the device for it until it is answered', async () => {
  const { after } = telephone({ ringDevice: 'speakers' });
  assert.equal(await after(INCOMING), ['ring on speakers for 45000']);
  assert.equal(await after({ ...INCOMING, muted: true }), []);
  assert.equal(await after({ ...INCOMING, state: 'active' }), ['no ring']);
  assert.equal(await after({ ...INCOMING, state: 'ended', reason: 'hung-up' }), []);
});

test('without such a device it rings where one speaks, and a call that is missed ends in silence', async () => {
  const { after } = telephone();
  assert.equal(await after(INCOMING), ['ring on headset for 45000']);
  assert.equal(await after({ ...INCOMING, state: 'ended', reason: 'no-answer' }), ['no ring']);
});

test('whoever is accepted at once rings for nobody', async () => {
  const { after } = telephone();
  assert.equal(await after(INCOMING, { ...INCOMING, state: 'active' }), []);
});

test('while one speaks, another call only knocks', async () => {
  const { after } = telephone({ ringDevice: 'speakers' });
  await after({ ...OUTGOING, state: 'active' });
  assert.equal(await after(INCOMING), ['waiting on headset for 45000']);
  assert.equal(await after({ ...INCOMING, state: 'ended', reason: 'no-answer' }), ['no waiting']);
});

test('a caller hears that it rings, and how it went', async () => {
  const { after } = telephone({ ringDevice: 'speakers' });
  assert.equal(await after(OUTGOING, { ...OUTGOING, state: 'connecting' }), []);
  assert.equal(await after({ ...OUTGOING, state: 'ringing' }), ['ringback on headset for 45000']);
  assert.equal(await after({ ...OUTGOING, state: 'ended', reason: 'declined' }), [
    'no ringback',
    'busy on headset for 3000',
  ]);
  // Another call puts an end to it.
  assert.equal(await after({ ...OUTGOING, id: 3, state: 'ringing' }), [
    'no busy',
    'ringback on headset for 45000',
  ]);
  assert.equal(await after({ ...OUTGOING, id: 3, state: 'active' }), ['no ringback']);
  assert.equal(await after({ ...OUTGOING, id: 3, state: 'ended', reason: 'remote-hung-up' }), []);
});

test('each end before an answer has its tone, but for one’s own', async () => {
  for (const [reason, tone] of [
    ['hung-up', null],
    ['busy', 'busy'],
    ['not-reachable', 'failure'],
    ['unknown-identity', 'failure'],
    ['no-answer', 'failure'],
  ] as const) {
    const { after } = telephone();
    await after(OUTGOING);
    const heard = tone === null ? [] : [`${tone} on headset for 3000`];
    assert.equal(await after({ ...OUTGOING, state: 'ended', reason }), heard, reason);
  }
});

test('a call that is lost is told of on both sides, one that is hung up is not', async () => {
  for (const call of [INCOMING, OUTGOING]) {
    const { after } = telephone();
    await after({ ...call, state: 'active' });
    assert.equal(await after({ ...call, state: 'ended', reason: 'lost' }), ['failure on headset for 3000']);
  }
});

test('where they are off nothing is heard, and what cannot be played is no matter', async () => {
  const { after } = telephone({ tones: false });
  assert.equal(await after(INCOMING), []);
  const broken = new Tones({
    config: { tones: true, audioServer: 'auto', ringDevice: null, ringSeconds: 45 },
    loudspeaker: () => null,
    log: LOG,
    play: () => {
      throw new PeerError('VOICE_START', 'no thread');
    },
  });
  broken.changed(INCOMING);
  await new Promise((resolve) => setImmediate(resolve));
  broken.close();
});

test('the engine plays what it is told, whatever devices there are, and waits for nothing', () => {
  for (const tone of ['ring', 'waiting', 'ringback', 'busy', 'failure'] as const) {
    const played = playTone(tone, { server: 'auto', device: 'no such device', mostMs: 60_000 });
    played.stop();
    played.stop();
  }
  assert.throws(() => playTone('ring', { server: 'auto', device: 'a\0b', mostMs: 1 }));
});

test.run();
