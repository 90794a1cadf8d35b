import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EngineCommand } from '../../../src/engine/kx.js';
import { renewKeys } from '../../../src/kx/key-renewal.js';

const test = suite('key renewal');

function key(certificate: Buffer) {
  return { publicKey: randomBytes(32), secretKey: randomBytes(32), certificate };
}

test('the engine hears of new certificates once', async () => {
  const commands: EngineCommand[] = [];
  const engine = { command: (command: EngineCommand) => commands.push(command) };
  const [old, fresh, hop] = [randomBytes(8), randomBytes(8), randomBytes(8)];
  let keys = { link: key(old), hop: key(hop) };
  const load = async () => keys;
  let known: readonly Buffer[] = await renewKeys(engine, [old, hop], load);
  assert.is(commands.length, 0);
  keys = { link: key(fresh), hop: keys.hop };
  known = await renewKeys(engine, known, load);
  known = await renewKeys(engine, known, load);
  assert.is(commands.length, 1);
  assert.ok(commands[0]?.type === 'renew' && commands[0].link.certificate.equals(fresh));
});

test.run();
