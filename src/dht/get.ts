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

/** How many holders have given the same, and whether that is all there can be. */
class Agreement {
  readonly #holdersOf = new Map<string, number>();
  /** By hash of a content: whether it is signed by the key. The same one comes from each holder. */
  readonly #proofs = new Map<string, boolean>();
  readonly canSign: boolean;
  #most = 0;

  constructor(readonly key: Buffer) {
    this.canSign = isValidPseudoIdentity(key);
  }

  /** Where the key can sign, only holders that give a signed value count. */
  noteHolder(
    { values, moreValues }: FoundAnswer,
    hashes: readonly Buffer[],
    digest: Buffer,
    nowMs: number,
  ): void {
    if (!moreValues && !digestOf(hashes)?.equals(digest)) return;
    const proves = (value: Buffer, index: number) => this.#proves(value, hashes[index] as Buffer, nowMs);
    if (this.canSign && !values.some(proves)) return;
    const id = digest.toString('latin1');
    const holders = (this.#holdersOf.get(id) ?? 0) + 1;
    this.#holdersOf.set(id, holders);
    this.#most = Math.max(this.#most, holders);
  }

  #proves(value: Buffer, hash: Buffer, nowMs: number): boolean {
    const id = hash.toString('latin1');
    let proof = this.#proofs.get(id);
    if (proof === undefined) {
      proof = decodeSignedValue(value, this.key, Math.floor(nowMs / 1000)) !== null;
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
  get thoroughness(): number {
    if (this.reached) return 0;
    const agreed = !this.canSign && this.#holdersOf.size === 1;
    return agreed || this.#most >= AGREEING ? THOROUGH.some : THOROUGH.much;
  }
}

/** Resolves with the number of contents given to `onContent` once nothing more can come. Never rejects. */
export function getContents(
  network: Network,
  key: Buffer,
  onContent: (content: Buffer) => void,
): Promise<number> {
  return new Promise((resolve) => {
    const given = new Set<string>();
    const agreement = new Agreement(key);
    let searching = true;

    const give = (content: Buffer, hash = contentHash(content)) => {
      const id = hash.toString('latin1');
      if (content.length > MAX_CONTENT_BYTES || given.has(id)) return;
      given.add(id);
      onContent(content);
    };
    const finishWhenIdle = () => {
      if (!searching && !fetches.running) resolve(given.size);
    };
    const fetches = new ContentFetches(network, key, give, finishWhenIdle);

    // Anybody can store anything here: what is ours comes before others' only where nothing can be signed.
    let ownGiven = false;
    const giveOwn = () => {
      if (ownGiven) return;
      ownGiven = true;
      for (const held of network.parts.store.get(key, network.now)) give(held.content, held.hash);
    };
    if (!agreement.canSign) giveOwn();
    const lookup = network.search({
      target: key,
      width: K,
      wantValues: true,
      onFound: (contact, found, last) => {
        const hashes = found.values.map(contentHash);
        for (const [index, content] of found.values.entries()) give(content, hashes[index]);
        if (found.values.length > 0) giveOwn();
        if (!last || !found.valuesDigest) return;
        if (found.moreValues) fetches.noteHolder(contact, found.valuesDigest);
        agreement.noteHolder(found, hashes, found.valuesDigest, network.now);
        if (agreement.reached) lookup.enough();
      },
      thorough: () => agreement.thoroughness,
      suffices: (waitedFor) => agreement.mayBeReachedBy(waitedFor),
      onDone: () => {
        giveOwn();
        searching = false;
        finishWhenIdle();
      },
    });
  });
}
