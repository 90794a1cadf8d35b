import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeBuildExtension, encodeBuildExtension } from '../../../src/wire/build-extension.js';

const test = suite('BUILD extension');
const key = Buffer.alloc(32, 7);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('known bytes', () => {
  assert.equal(encodeBuildExtension({ tunnelSecret: key }), hex(`0001 0020 ${'07'.repeat(32)}`));
  assert.equal(encodeBuildExtension({ tunnelKey: key }), hex(`0002 0020 ${'07'.repeat(32)}`));
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
  ]) {
    assert.is(decodeBuildExtension(bad), null);
  }
  assert.throws(() => encodeBuildExtension({ tunnelKey: key.subarray(1) }), RangeError);
});

test('arbitrary bytes give an extension or nothing, never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const decoded = decodeBuildExtension(Buffer.from(bytes));
      assert.ok(decoded === null || Object.values(decoded).every((value) => value.length === 32));
    }),
  );
});

test.run();
