/**
 * GET: gives every different content of a key as soon as it is here.
 *
 * The search ends early once AGREEING holders have given the same set with a value in it that is signed by the key; where
 * the key cannot sign anything, once so many have the same set and none another one. So whoever serves junk cannot hide
 * what a pseudo-identity has published.
 * Invariant: no content is given twice. Not here: contents that do not fit into answers (content-fetches.ts), the API,
 * private lookups.
 */
import { isValidPseudoIdentity } from '../identity/pseudo-identity.js';
import { decodeSignedValue } from '../identity/signed-value.js';
import { ContentFetches } from './content-fetches.js';
import { K, type Network, THOROUGH } from './network.js';
import type { FoundAnswer } from './rpc-message.js';
import { contentHash, digestOf, MAX_CONTENT_BYTES } from './store.js';

const AGREEING = 3;
/** Contents of which a GET remembers whether the key has signed them. */
const MAX_PROOFS = 256;

/** What one answer holds: the hashes of its contents, and the digest of them all. */
interface Checked {
  readonly values: readonly Buffer[];
  readonly hashes: readonly Buffer[];
  readonly digest: Buffer | null;
}

const NOTHING: Checked = { values: [], hashes: [], digest: null };

/** Hashes what is not the same as in the answer before: holders mostly give the same in the same order. */
function check(values: readonly Buffer[], before: Checked): Checked {
  const known = (value: Buffer, index: number) => before.values[index]?.equals(value) === true;
  if (values.length === before.values.length && values.every(known)) return before;
  const hashes = values.map((value, index) =>
    known(value, index) ? (before.hashes[index] as Buffer) : contentHash(value),
  );
  return { values, hashes, digest: digestOf(hashes) };
}

/** How many holders have given the same, and whether that is all there can be. */
class Agreement {
  readonly #holdersOf = new Map<string, number>();
  /** Digests of sets that one answer has given whole. */
  readonly #whole = new Set<string>();
  /** By hash of a content: whether it is signed by the key. The same one comes from each holder. */
  readonly #proofs = new Map<string, boolean>();
  #canSign: boolean | null = null;
  #most = 0;

  constructor(readonly key: Buffer) {}

  /** Whether the key can sign anything; worked out only where nothing signed has shown it. */
  get canSign(): boolean {
    this.#canSign ??= isValidPseudoIdentity(this.key);
    return this.#canSign;
  }

  /** Whether all that this holder has is here, though it had no room for it: a liar could have got it for its digest as well. */
  isHere({ moreValues, valuesDigest }: FoundAnswer): boolean {
    return moreValues && valuesDigest !== null && this.#whole.has(valuesDigest.toString('latin1'));
  }

  /** Where the key can sign, only holders of a set with a signed value count. */
  noteHolder(found: FoundAnswer, { values, hashes, digest }: Checked, nowMs: number) {
    const { moreValues, valuesDigest } = found;
    if (valuesDigest === null || (!moreValues && !digest?.equals(valuesDigest))) return;
    const isProven = (value: Buffer, index: number) => this.proves(value, hashes[index] as Buffer, nowMs);
    if (!this.isHere(found) && !values.some(isProven) && this.canSign) return;
    const id = valuesDigest.toString('latin1');
    if (!moreValues) this.#whole.add(id);
    const holders = (this.#holdersOf.get(id) ?? 0) + 1;
    this.#holdersOf.set(id, holders);
    this.#most = Math.max(this.#most, holders);
  }

  /** Whether the key has signed the content. */
  proves(content: Buffer, hash: Buffer, nowMs: number): boolean {
    const id = hash.toString('latin1');
    let proof = this.#proofs.get(id);
    if (proof === undefined) {
      proof = decodeSignedValue(content, this.key, Math.floor(nowMs / 1000)) !== null;
      if (proof) this.#canSign ??= true;
      if (this.#proofs.size < MAX_PROOFS) this.#proofs.set(id, proof);
    }
    return proof;
  }

  get reached(): boolean {
    return this.#most >= AGREEING && (this.canSign || this.#holdersOf.size === 1);
  }

  /** Whether so many further holders of the same would be enough. */
  mayBeReachedBy(holders: number): boolean {
    return this.#most > 0 && this.#holdersOf.size === 1 && this.#most + holders >= AGREEING;
  }

  /** How much further a search must go that has not ended early. */
  thoroughness(most: number): number {
    if (this.reached) return 0;
    const agreed = !this.canSign && this.#holdersOf.size === 1;
    return agreed || this.#most >= AGREEING ? THOROUGH.some : most;
  }
}

/**
 * Resolves with the number of contents given to `onContent` once nothing more can come. Never rejects.
 * @param onContent may ask whether the key has signed the content: that is checked once at most
 */
export function getContents(
  network: Network,
  key: Buffer,
  onContent: (content: Buffer, isSigned: () => boolean) => void,
): Promise<number> {
  return new Promise((resolve) => {
    const given = new Set<string>();
    const agreement = new Agreement(key);
    let searching = true;

    const give = (content: Buffer, hash = contentHash(content)) => {
      const id = hash.toString('latin1');
      if (content.length > MAX_CONTENT_BYTES || given.has(id)) return;
      given.add(id);
      onContent(content, () => agreement.proves(content, hash, network.now));
    };
    const finishWhenIdle = () => {
      if (!searching && !fetches.running) resolve(given.size);
    };
    const fetches = new ContentFetches(network, key, give, finishWhenIdle);

    // Anybody can store anything here: what is ours comes before others' only where nothing can be signed.
    let ownGiven = false;
    const own = () => network.parts.store.get(key, network.now);
    const giveOwn = () => {
      if (ownGiven) return;
      ownGiven = true;
      for (const held of own()) give(held.content, held.hash);
    };
    if (own().length > 0 && !agreement.canSign) giveOwn();
    let checked = NOTHING;
    const noted = new Set<string>();
    const lookup = network.search({
      target: key,
      width: K,
      wantValues: true,
      onFound: (contact, found, last) => {
        if (found.values.length > 0) {
          checked = check(found.values, checked);
          checked.values.forEach((content, index) => {
            give(content, checked.hashes[index]);
          });
          giveOwn();
        }
        const isHere = agreement.isHere(found);
        if ((!last && !isHere) || !found.valuesDigest || noted.has(contact.id)) return false;
        noted.add(contact.id);
        if (found.moreValues && !isHere) fetches.noteHolder(contact, found.valuesDigest);
        agreement.noteHolder(found, found.values.length > 0 ? checked : NOTHING, network.now);
        if (agreement.reached) lookup.enough();
        return isHere;
      },
      thorough: () => agreement.thoroughness(network.thoroughness),
      suffices: (waitedFor) => agreement.mayBeReachedBy(waitedFor),
      onDone: () => {
        giveOwn();
        searching = false;
        finishWhenIdle();
      },
    });
  });
}
