/** Which hops stand too close together: in one /16 or /32, as far as those say something (../prefixes.ts). */
import type { Diversity } from '../../config/config.js';
import type { UnverifiedContact } from '../contact.js';
import { prefixesOf } from '../prefixes.js';

/** Whether the two should not stand on one path. */
export function nearby(a: UnverifiedContact, b: UnverifiedContact, diversity: Diversity): boolean {
  if (diversity === 'off') return false;
  const strict = diversity === 'on';
  const others = prefixesOf(b, strict);
  return prefixesOf(a, strict).some(({ wide }) => others.some((other) => other.wide === wide));
}
