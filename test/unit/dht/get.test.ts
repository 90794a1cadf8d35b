/** Role: how far a GET looks on, by what its holders gave. */

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Contact } from '../../../src/dht/contact.js';
import { getContents } from '../../../src/dht/get.js';
import type { Network, SearchOptions } from '../../../src/dht/network.js';
import { THOROUGH } from '../../../src/dht/network.js';
import { ContentStore, contentHash, digestOf } from '../../../src/dht/store.js';
import { generatePseudoIdentity, isValidPseudoIdentity } from '../../../src/identity/pseudo-identity.js';

const test = suite('dht get');
const NOW = 1_800_000_000_000;

function keyThat(canSign: boolean): Buffer {
  if (canSign) return generatePseudoIdentity().publicKey;
  let key = randomBytes(32);
  while (isValidPseudoIdentity(key)) key = randomBytes(32);
  return key;
}

/** How far the search goes on once these holders have each given one content. */
function thoroughness(key: Buffer, contents: readonly string[]): number | undefined {
  let search: SearchOptions | null = null;
  const network = {
    now: NOW,
    parts: { store: new ContentStore() },
    search: (options: SearchOptions) => {
      search = options;
      return { enough: () => {} };
    },
  };
  void getContents(network as unknown as Network, key, () => {});
  const { onFound, thorough } = search as unknown as SearchOptions;
  for (const text of contents) {
    const values = [Buffer.from(text)];
    const found = { kind: 'found', contacts: [], moreContacts: false, values, moreValues: false, kx: null };
    onFound?.({} as Contact, { ...found, valuesDigest: digestOf(values.map(contentHash)) } as never, true);
  }
  return thorough?.();
}

test('where the key can sign nothing, few holders that agree shorten the search, and three end it', () => {
  const key = keyThat(false);
  assert.is(thoroughness(key, []), THOROUGH.much);
  assert.is(thoroughness(key, ['a']), THOROUGH.some);
  assert.is(thoroughness(key, ['a', 'a']), THOROUGH.some);
  assert.is(thoroughness(key, ['a', 'a', 'a']), 0);
});

test('where holders differ it goes on until three agree, and then a little', () => {
  const key = keyThat(false);
  assert.is(thoroughness(key, ['a', 'b']), THOROUGH.much);
  assert.is(thoroughness(key, ['a', 'a', 'b']), THOROUGH.much);
  assert.is(thoroughness(key, ['a', 'a', 'a', 'b']), THOROUGH.some);
});

test('where the key can sign, what is not signed counts for nothing', () => {
  const key = keyThat(true);
  assert.is(thoroughness(key, ['a']), THOROUGH.much);
  assert.is(thoroughness(key, ['a', 'a', 'a', 'a']), THOROUGH.much);
});

test.run();
