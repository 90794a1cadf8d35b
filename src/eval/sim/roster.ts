/**
 * Role: all contacts of a simulation, each in memory once.
 *
 * Nodes ask it in the place of the position puzzle: it gives the one object of a contact that is as it should be. So
 * ten thousand tables share the contacts that they hold, and positions can be granted where an attacker would have to
 * grind them. Epochs do not end here.
 */
import type { Contact, UnverifiedContact } from '../../dht/contact.js';

export class Roster {
  readonly #contacts = new Map<string, Contact>();
  readonly #keys = new Map<string, Buffer>();

  add(contact: Contact): Contact {
    this.#contacts.set(contact.id, contact);
    this.#keys.set(contact.key.toString('latin1'), contact.key);
    return contact;
  }

  /** The contact, or null where it is none of ours or not as it was added. */
  verify(contact: UnverifiedContact): Contact | null {
    const known = this.#contacts.get(contact.id);
    // Four bytes tell keys apart that nobody chose: this is asked for every contact of every answer.
    const same =
      known?.port === contact.port &&
      known.ipv4 === contact.ipv4 &&
      known.key.readInt32LE(0) === contact.key.readInt32LE(0);
    return known && same ? known : null;
  }

  /** The one copy of a key. */
  sharedKey(key: Buffer): Buffer {
    return this.#keys.get(key.toString('latin1')) ?? Buffer.from(key);
  }
}
