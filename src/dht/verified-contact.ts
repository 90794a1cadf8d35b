/**
 * Contacts whose position and addresses have been checked.
 *
 * Invariant: a contact is checked once in RECHECK_SECONDS, as the contacts read from messages are the same objects as long as they are known
 * (contact.ts); what holds for one node of this process holds for all. Not here: whether identity and key belong together.
 */
import { endpointOf } from './address.js';
import type { Contact, UnverifiedContact } from './contact.js';
import { PUZZLE_BITS, verifyPosition } from './position.js';

interface Verified {
  readonly contact: Contact;
  readonly puzzleBits: number;
  checkedAtSeconds: number;
}

/** A proof ends with its epoch, also that of a contact in use. */
const RECHECK_SECONDS = 600;

const verified = new WeakMap<UnverifiedContact, Verified>();

/** The contact with its position, always the same object for the same one; null where something does not hold. */
export function verifyContact(
  contact: UnverifiedContact,
  nowSeconds: number,
  puzzleBits = PUZZLE_BITS,
): Contact | null {
  const known = verified.get(contact);
  if (
    known &&
    known.puzzleBits >= puzzleBits &&
    Math.abs(nowSeconds - known.checkedAtSeconds) < RECHECK_SECONDS
  ) {
    return known.contact;
  }
  if (!plausible(contact)) return null;
  const position = verifyPosition(contact.identity, contact.proof, nowSeconds, puzzleBits);
  if (!position) return null;
  if (known && known.puzzleBits >= puzzleBits) {
    known.checkedAtSeconds = nowSeconds;
    return known.contact;
  }
  const result: Verified = { contact: { ...contact, position }, puzzleBits, checkedAtSeconds: nowSeconds };
  verified.set(contact, result);
  verified.set(result.contact, result);
  return result.contact;
}

/** Whether there are addresses, and such as a single host can have. */
function plausible(contact: UnverifiedContact): boolean {
  if (contact.ipv4 === null && contact.ipv6 === null) return false;
  if (contact.ipv4 !== null) {
    const first = Number(contact.ipv4.split('.', 1)[0]);
    if (first === 0 || first >= 224) return false;
  }
  if (contact.ipv6 !== null) {
    const endpoint = endpointOf(contact.ipv6, contact.port);
    if (endpoint?.family !== 6 || endpoint.host === '::' || /^ff/i.test(endpoint.host)) return false;
  }
  return true;
}
