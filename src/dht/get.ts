/**
 * GET: gives every different content of a key as soon as it is here.
 *
 * The search ends early once AGREEING holders have the same set and none another one, if that set has a value signed by
 * the key, or the key cannot have signed anything: whoever serves junk cannot hide what a pseudo-identity has published.
 * Invariant: no content is given twice. Not here: contents that do not fit into answers (content-fetches.ts), the API,
 * private lookups.
 */
import { isValidPseudoIdentity } from '../identity/pseudo-identity.js';
import { decodeSignedValue } from '../identity/signed-value.js';
import { ContentFetches } from './content-fetches.js';
import { K, type Network, THOROUGH } from './network.js';
import { contentHash, MAX_CONTENT_BYTES } from './store.js';

const AGREEING = 3;

/** How many holders have said the same, and whether that is all there can be. */
class Agreement {
  readonly #holdersOf = new Map<string, number>();
  #holders = 0;
  #signed: boolean;

  constructor(readonly key: Buffer) {
    this.#signed = !isValidPseudoIdentity(key);
  }

  noteContent(content: Buffer, nowMs: number): void {
    this.#signed ||= decodeSignedValue(content, this.key, Math.floor(nowMs / 1000)) !== null;
  }

  noteHolder(digest: Buffer): void {
    const id = digest.toString('latin1');
    this.#holdersOf.set(id, (this.#holdersOf.get(id) ?? 0) + 1);
    this.#holders += 1;
  }

  get reached(): boolean {
    return this.#signed && this.#holders >= AGREEING && this.#holdersOf.size === 1;
  }

  /** How much further a search must go that has not ended early. */
  get thoroughness(): number {
    if (this.#holders < AGREEING || !this.#signed) return THOROUGH.much;
    return this.reached ? 0 : THOROUGH.some;
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

    const give = (content: Buffer) => {
      if (content.length > MAX_CONTENT_BYTES) return;
      const hash = contentHash(content).toString('latin1');
      if (given.has(hash)) return;
      given.add(hash);
      agreement.noteContent(content, network.now);
      onContent(content);
    };
    const finishWhenIdle = () => {
      if (!searching && !fetches.running) resolve(given.size);
    };
    const fetches = new ContentFetches(
      network,
      key,
      (content) => {
        give(content);
        if (agreement.reached) lookup.enough();
      },
      finishWhenIdle,
    );

    for (const held of network.parts.store.get(key, network.now)) give(held.content);
    const lookup = network.search({
      target: key,
      width: K,
      wantValues: true,
      onFound: (contact, found, last) => {
        for (const content of found.values) give(content);
        if (!last || !found.valuesDigest) return;
        if (found.moreValues) fetches.noteHolder(contact, found.valuesDigest);
        agreement.noteHolder(found.valuesDigest);
        if (agreement.reached) lookup.enough();
      },
      thorough: () => agreement.thoroughness,
      onDone: () => {
        searching = false;
        finishWhenIdle();
      },
    });
  });
}
