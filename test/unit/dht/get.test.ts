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

interface Answer {
  readonly holder: string;
  readonly content: string;
  /** It came with a handshake, without room for the content. */
  readonly short?: true;
}

/** A GET, and what it says to the answers that it is given. */
function answered(key: Buffer, answers: readonly Answer[]) {
  let search: SearchOptions | null = null;
  let enough = false;
  const network = {
    ...{ now: NOW, thoroughness: THOROUGH.own },
    parts: { store: new ContentStore() },
    search: (options: SearchOptions) => {
      search = options;
      return {
        enough: () => {
          enough = true;
        },
      };
    },
  };
  void getContents(network as unknown as Network, key, () => {});
  const { onFound, thorough } = search as unknown as SearchOptions;
  const here = answers.map(({ holder, content, short }) => {
    const values = [Buffer.from(content)];
    const valuesDigest = digestOf(values.map(contentHash));
    const found = { kind: 'found', contacts: [], moreContacts: false, kx: null, valuesDigest } as const;
    const room = short ? { values: [], moreValues: true } : { values, moreValues: false };
    return onFound?.({ id: holder } as Contact, { ...found, ...room }, !short);
  });
  return { here, enough, thoroughness: thorough?.() };
}

/** How far the search goes on once so many holders have each given one content. */
function thoroughness(key: Buffer, contents: readonly string[]): number | undefined {
  return answered(
    key,
    contents.map((content, index) => ({ holder: String(index), content })),
  ).thoroughness;
}

test('where the key can sign nothing, few holders that agree shorten the search, and three end it', () => {
  const key = keyThat(false);
  assert.is(thoroughness(key, []), THOROUGH.own);
  assert.is(thoroughness(key, ['a']), THOROUGH.some);
  assert.is(thoroughness(key, ['a', 'a']), THOROUGH.some);
  assert.is(thoroughness(key, ['a', 'a', 'a']), 0);
});

test('where holders differ it goes on until three agree, and then a little', () => {
  const key = keyThat(false);
  assert.is(thoroughness(key, ['a', 'b']), THOROUGH.own);
  assert.is(thoroughness(key, ['a', 'a', 'b']), THOROUGH.own);
  assert.is(thoroughness(key, ['a', 'a', 'a', 'b']), THOROUGH.some);
});

test('where the key can sign, what is not signed counts for nothing', () => {
  const key = keyThat(true);
  assert.is(thoroughness(key, ['a']), THOROUGH.own);
  assert.is(thoroughness(key, ['a', 'a', 'a', 'a']), THOROUGH.own);
});

test('a holder that had no room for what is here already agrees, and is not asked again', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((holder) => ({ holder, content: 'same', short: true }) as const);
  const whole = { holder: 'd', content: 'same' } as const;
  assert.equal(answered(keyThat(false), [whole, a as Answer, b as Answer]), {
    here: [false, true, true],
    ...{ enough: true, thoroughness: 0 },
  });
  assert.equal(answered(keyThat(false), [a as Answer, b as Answer, c as Answer]).here, [false, false, false]);
  const other = { holder: 'b', content: 'other', short: true } as const;
  assert.equal(answered(keyThat(false), [whole, other]).here, [false, false]);
});

test('where the key can sign, agreeing without room counts for signed contents only', () => {
  const whole = { holder: 'd', content: 'not signed' } as const;
  const short = ['a', 'b'].map((holder) => ({ ...whole, holder, short: true }) as const);
  const { here, enough } = answered(keyThat(true), [whole, ...short]);
  assert.equal({ here, enough }, { here: [false, false, false], enough: false });
});

test('a holder counts once, however often it answers', () => {
  const short = { holder: 'b', content: 'same', short: true } as const;
  const answers = [{ holder: 'a', content: 'same' }, short, { holder: 'b', content: 'same' }, short];
  assert.is(answered(keyThat(false), answers).enough, false);
});

test.run();
