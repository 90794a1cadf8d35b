/** The voice of a call at the border: real sockets and threads of the addon; whether there is sound does not matter. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { VoiceLine } from '../../../src/engine/audio.js';
import { PeerError } from '../../../src/errors.js';

const test = suite('voice line');

test('a line that is closing still answers everything that is asked of it', async () => {
  const line = VoiceLine.open('127.0.0.1');
  const started = new Promise<void>((resolve) => {
    const settings = {
      sendKey: Buffer.alloc(28, 1),
      receiveKey: Buffer.alloc(28, 2),
      sendSsrc: 1,
      remote: { address: '127.0.0.1', port: line.port },
    };
    line.start(settings, (event) => {
      if (event.type === 'started') resolve();
    });
  });
  await started;
  const closing = line.close();
  let answered = 0;
  const asking = setInterval(() => {
    line.statistics();
    line.setMuted(true);
    answered += 1;
  }, 0);
  assert.ok(await closing);
  clearInterval(asking);
  line.statistics();
  assert.ok(answered > 0, 'it closed before anything could be asked');
  assert.ok(await line.close(), 'a second close is none');
});

test('in a loopback a person gets their own packets, whatever devices there are', async () => {
  const line = await new Promise<VoiceLine>((resolve) => {
    const started = VoiceLine.loopback({}, (event) => {
      if (event.type === 'statistics' && event.statistics.received > 20) resolve(started);
    });
  });
  line.setDevice('output', 'no such device');
  assert.throws(
    () => line.setDevice('input', 'a\0b'),
    (error: unknown) => error instanceof PeerError && error.code === 'VOICE_ARGUMENT',
  );
  assert.is(line.statistics()?.rejected, 0);
  assert.ok(await line.close());
});

test.run();
