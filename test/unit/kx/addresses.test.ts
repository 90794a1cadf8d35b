import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { reachableAddress, readyAddresses } from '../../../src/kx/addresses.js';

const test = suite('addresses of the KX');
const peer = {
  identity: Buffer.alloc(32),
  kxPort: 3001,
  ipv4: Buffer.from([198, 51, 100, 7]),
  ipv6: Buffer.from('20010db8000000000000000000000007', 'hex'),
};

test('IPv4 comes first, and a family that this peer lacks is not chosen', () => {
  assert.is(reachableAddress(peer, { ipv4: true, ipv6: true }), '198.51.100.7');
  assert.is(reachableAddress(peer, { ipv4: false, ipv6: true }), '2001:db8:0:0:0:0:0:7');
  assert.is(reachableAddress({ ...peer, ipv6: null }, { ipv4: false, ipv6: true }), null);
});

test('READY carries what the engine says, and nothing for an incoming tunnel', () => {
  const none = readyAddresses(undefined);
  assert.ok(none.ipv4.equals(Buffer.alloc(4)) && none.ipv6.equals(Buffer.alloc(16)));
  assert.equal([...readyAddresses('10.20.0.2').ipv4], [10, 20, 0, 2]);
  assert.is(readyAddresses('fd42::1:2').ipv6.toString('hex'), 'fd420000000000000000000000010002');
  assert.is(readyAddresses('::1').ipv6.toString('hex'), `${'00'.repeat(15)}01`);
});

test.run();
