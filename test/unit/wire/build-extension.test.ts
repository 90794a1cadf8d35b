import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeBuildExtension, encodeBuildExtension } from '../../../src/wire/build-extension.js';

const test = suite('BUILD extension');
const key = Buffer.alloc(32, 7);
const registration = {
  secret: Buffer.alloc(32, 3),
  time: 0x0102n,
  expiry: 2n ** 64n - 1n,
  signature: Buffer.alloc(64, 5),
};
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('known bytes', () => {
  assert.equal(encodeBuildExtension({ tunnelSecret: key }), hex(`0001 0020 ${'07'.repeat(32)}`));
  assert.equal(encodeBuildExtension({ tunnelKey: key }), hex(`0002 0020 ${'07'.repeat(32)}`));
  const bytes = hex(`0003 0070 ${'03'.repeat(32)} 0000000000000102 ${'ff'.repeat(8)} ${'05'.repeat(64)}`);
  assert.equal(encodeBuildExtension({ registration }), bytes);
  assert.equal(decodeBuildExtension(bytes), { registration });
  assert.equal(encodeBuildExtension({ port: 40_000 }), hex('0004 0002 9c40'));
  assert.equal(encodeBuildExtension({}), Buffer.alloc(0));
  assert.equal(decodeBuildExtension(Buffer.alloc(0)), {});
  assert.equal(decodeBuildExtension(hex(`0002 0020 ${'07'.repeat(32)}`)), { tunnelKey: key });
});

test('what may be ignored is, what may not makes the whole invalid', () => {
  const known = encodeBuildExtension({ tunnelKey: key });
  assert.equal(decodeBuildExtension(Buffer.concat([hex('8123 0002 ffff'), known])), { tunnelKey: key });
  for (const bad of [
    Buffer.concat([hex('0123 0002 ffff'), known]),
    Buffer.concat([known, known]),
    known.subarray(0, 35),
    Buffer.concat([known, hex('00')]),
    hex(`0001 001f ${'07'.repeat(31)}`),
    hex(`0003 0020 ${'07'.repeat(32)}`),
    hex('0004 0002 0000'),
    hex('0004 0001 01'),
  ]) {
    assert.is(decodeBuildExtension(bad), null);
  }
  assert.throws(() => encodeBuildExtension({ tunnelKey: key.subarray(1) }), RangeError);
  assert.throws(() => encodeBuildExtension({ port: 0 }), RangeError);
  assert.throws(() => encodeBuildExtension({ port: 65_536 }), RangeError);
  for (const wrong of [
    { secret: key.subarray(1) },
    { signature: key },
    { time: -1n },
    { expiry: 2n ** 64n },
  ]) {
    assert.throws(() => encodeBuildExtension({ registration: { ...registration, ...wrong } }), RangeError);
  }
});

test('everything together reads back', () => {
  const extension = { tunnelSecret: key, registration, port: 1 };
  assert.equal(decodeBuildExtension(encodeBuildExtension(extension)), extension);
});

test('arbitrary bytes give an extension or nothing, never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 240 }), (bytes) => {
      const decoded = decodeBuildExtension(Buffer.from(bytes));
      if (decoded !== null) decodeBuildExtension(encodeBuildExtension(decoded));
    }),
  );
});

test.run();
