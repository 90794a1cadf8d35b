/**
 * Role: gives the hosts of a simulation different public IPv4 addresses, spread over many prefixes.
 *
 * A number of /16 that stands for providers is drawn first; hosts are spread over them evenly, each in a /24 of its own
 * or, rarely, in one with others. Attackers can have hosts in one /24.
 */
import type { SeededRandom } from './seeded-random.js';

/** First bytes that no public host has, or that are no host's. */
const RESERVED = new Set([0, 10, 100, 127, 169, 172, 192, 198, 203]);
const LAST_UNICAST = 223;

export class AddressPlan {
  readonly #providers: string[] = [];
  readonly #taken = new Set<string>();

  /** @param providers how many /16 */
  constructor(
    readonly random: SeededRandom,
    providers: number,
  ) {
    const prefixes = new Set<string>();
    while (prefixes.size < providers) {
      const first = 1 + random.integer(LAST_UNICAST);
      if (!RESERVED.has(first)) prefixes.add(`${first}.${random.integer(256)}`);
    }
    this.#providers.push(...prefixes);
  }

  /** An address anywhere. */
  next(): string {
    return this.inNetwork(() => this.network());
  }

  /** A /24, as in `198.51.100`. */
  network(): string {
    return `${this.random.pick(this.#providers)}.${this.random.integer(256)}`;
  }

  /** An address in the /24 that `network` says, asked again where an address was taken. */
  inNetwork(network: () => string): string {
    for (;;) {
      const address = `${network()}.${1 + this.random.integer(254)}`;
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
  }
}
