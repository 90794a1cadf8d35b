import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ByteReader, ByteWriter } from '../../../src/dht/bytes.js';

const test = suite('dht bytes');

test('property: what is written is read again, however long and wherever the memory grows', () => {
  const field = fc.oneof(
    fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
    fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
    fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
    fc.record({ kind: fc.constant('raw' as const), value: fc.nat(3_000) }),
    fc.record({ kind: fc.constant('zeros' as const), value: fc.nat(3_000) }),
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 60 }), (fields) => {
      const writer = new ByteWriter();
      const raws = fields.map(({ kind, value }) => {
        const raw = kind === 'raw' ? randomBytes(value) : Buffer.alloc(value % 3_001);
        if (kind === 'raw') writer.raw(raw);
        else writer[kind](value);
        return raw;
      });
      const reader = new ByteReader(writer.done());
      fields.forEach(({ kind, value }, index) => {
        const raw = raws[index] as Buffer;
        if (kind === 'raw' || kind === 'zeros') assert.ok(reader.take(raw.length).equals(raw));
        else assert.is(reader[kind](), value);
      });
      assert.is(reader.left, 0);
    }),
  );
});

test('every kind of field may be the one that no longer fits', () => {
  for (const kind of ['u8', 'u16', 'u32'] as const) {
    for (let before = 2_040; before <= 2_050; before++) {
      const bytes = new ByteWriter().zeros(before)[kind](1).raw(Buffer.of(9)).done();
      assert.equal([...bytes.subarray(-2)], [1, 9]);
    }
  }
});

test.run();
