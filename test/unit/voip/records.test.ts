import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeControlMessage, encodeControlMessage } from '../../../src/voip/control-message.js';
import { decodePresenceRecord, encodePresenceRecord, MAX_DOORS } from '../../../src/wire/presence-record.js';

const test = suite('records and messages of the VoIP module');

test('a presence record reads back, with either family or both', () => {
  for (const [ipv4, ipv6] of [
    [Buffer.from([10, 0, 0, 1]), null],
    [null, randomBytes(16)],
    [Buffer.from([10, 0, 0, 1]), randomBytes(16)],
  ] as const) {
    for (const tunnelKey of [null, randomBytes(32)]) {
      const exchangePoint = { identity: randomBytes(32), kxPort: 3001, ipv4, ipv6 };
      for (let count = 1; count <= MAX_DOORS; count += 1) {
        const record = {
          voipPort: 5060,
          doors: Array.from({ length: count }, () => ({ exchangePoint, tunnelKey })),
        };
        const bytes = encodePresenceRecord(record);
        assert.is(bytes.length, 4 + 88 * count);
        assert.equal(decodePresenceRecord(bytes), record);
      }
    }
  }
});

test('a record without address or port, of another version or length, is none', () => {
  const exchangePoint = {
    identity: randomBytes(32),
    kxPort: 3001,
    ipv4: Buffer.from([10, 0, 0, 1]),
    ipv6: null,
  };
  const door = { exchangePoint, tunnelKey: null };
  const bytes = encodePresenceRecord({ voipPort: 5060, doors: [door, door] });
  // Version, number of doors, the VoIP port, the second door's KX port.
  for (const [at, value] of [
    [0, Buffer.of(2)],
    [1, Buffer.of(0)],
    [1, Buffer.of(1)],
    [1, Buffer.of(3)],
    [2, Buffer.alloc(2)],
    [92, Buffer.alloc(2)],
  ] as const) {
    const other = Buffer.from(bytes);
    value.copy(other, at);
    assert.is(decodePresenceRecord(other), null);
  }
  assert.is(decodePresenceRecord(bytes.subarray(1)), null);
  for (const doors of [
    [],
    [door, { exchangePoint: { ...exchangePoint, ipv4: null }, tunnelKey: null }],
    Array(5).fill(door),
  ])
    assert.is(decodePresenceRecord(encodePresenceRecord({ voipPort: 1, doors })), null);
});

test('arbitrary bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodePresenceRecord(Buffer.from(bytes));
      decodeControlMessage(Buffer.from(bytes));
    }),
  );
  fc.assert(
    fc.property(fc.json(), (text) => {
      decodeControlMessage(Buffer.from(text));
    }),
  );
});

test('a control message reads back; a wrong one is none', () => {
  const message = { type: 'invite', call: '0'.repeat(32), voicePort: 5060 } as const;
  assert.equal(decodeControlMessage(encodeControlMessage(message)), message);
  for (const wrong of [
    '{}',
    '{"type":"invite"}',
    '{"type":"invite","voicePort":0}',
    '{"type":"other"}',
    'x',
  ]) {
    assert.is(decodeControlMessage(Buffer.from(wrong)), null);
  }
});

test.run();
