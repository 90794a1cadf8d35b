import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TunnelExtension } from '../../../src/kx/tunnel-extension.js';

const test = suite('what a client has told about a tunnel');

function registration(time: bigint, expiry: bigint) {
  return { secret: randomBytes(32), time, expiry, signature: randomBytes(64) };
}

test('the engine gets copies of the secrets, which it wipes', () => {
  const extension = new TunnelExtension();
  assert.is(extension.command(7), null);
  const signed = registration(1n, 2n);
  extension.renew('incoming', { tunnelSecret: randomBytes(32), registration: signed });
  const first = extension.command(7);
  first?.key?.fill(0);
  first?.registration?.secret.fill(0);
  const second = extension.command(7);
  assert.equal(second?.registration, signed);
  assert.ok(second?.key?.some((byte) => byte !== 0));
  extension.wipe();
  assert.ok(signed.secret.every((byte) => byte === 0));
});

test('an outgoing tunnel takes the public key and nothing else', () => {
  const extension = new TunnelExtension();
  const tunnelKey = randomBytes(32);
  assert.not(extension.renew('outgoing', { tunnelSecret: randomBytes(32), port: 5 }));
  assert.ok(extension.renew('outgoing', { tunnelKey, registration: registration(1n, 2n) }));
  assert.equal(extension.command(7), { type: 'setExtension', tunnel: 7, key: tunnelKey });
});

test('a registration is to be shown when the one that was shown ends too soon and there is a longer one', () => {
  const extension = new TunnelExtension();
  const show = () => extension.shouldShow(1000, 100);
  assert.not(show());
  extension.renew('incoming', { registration: registration(900n, 1100n) });
  assert.ok(show());
  extension.noteShown();
  assert.not(show());
  extension.renew('incoming', { registration: registration(901n, 5000n) });
  assert.not(show());
  assert.ok(extension.shouldShow(1001, 100));
  extension.noteShown();
  assert.not(extension.shouldShow(1001, 100));
});

test.run();
