import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isPrivateAddress } from '../../src/private-address.js';

const test = suite('private addresses');

test('private prefixes are known', () => {
  for (const address of ['10.1.2.3', '192.168.0.1', '127.0.0.1', 'fd00::1', '::1']) {
    assert.ok(isPrivateAddress(address), address);
  }
  for (const address of ['198.51.100.7', '2001:db8::1', '11.0.0.1']) {
    assert.not(isPrivateAddress(address), address);
  }
});

test.run();
