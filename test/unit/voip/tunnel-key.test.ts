import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deriveTunnelKey } from '../../../src/voip/tunnel-key.js';

const test = suite('tunnel key');

test('one pseudo-identity at one exchange point has one key, and no two of them share one', () => {
  const [secretKey, exchangePoint] = [randomBytes(64), randomBytes(32)];
  const first = deriveTunnelKey(secretKey, exchangePoint);
  assert.equal(deriveTunnelKey(secretKey, exchangePoint), first);
  assert.not.equal(deriveTunnelKey(secretKey, randomBytes(32)), first);
  assert.not.equal(deriveTunnelKey(randomBytes(64), exchangePoint), first);
  assert.is(first.publicKey.length, 32);
  assert.not.equal(first.publicKey, first.secret);
});

test.run();
