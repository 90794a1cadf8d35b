/**
 * A contact: what one node must know to talk to another, and its byte form in messages.
 *
 * Layout: flags u8 (1 = IPv4, 2 = IPv6) · identity 32 · X25519 key 32 · epoch u16 · nonce 8 · port u16 ·
 * [IPv4 4] · [IPv6 16]; 77 bytes and the addresses. No address at all means "where this datagram came from".
 * Invariants: a Contact in memory has a verified position; whether identity and key belong together is known
 * only after a handshake with its certificate. KX addresses do not travel here: each node tells its own
 * (docs/decisions/0022).
 */
import { ipv4Bytes, ipv4Text, ipv6Bytes, ipv6Text, sameEndpoint } from './address.js';
import { BoundedMap } from './bounded-map.js';
import { type ByteReader, type ByteWriter, lasting } from './bytes.js';
import type { Endpoint } from './environment.js';
import type { PositionProof } from './position.js';

export interface Contact {
  /** `identity` in hex: the key of this contact in maps. */
  readonly id: string;
  readonly identity: Buffer;
  /** X25519 key of its DHT module. */
  readonly key: Buffer;
  readonly proof: PositionProof;
  /** Verified position in the id space. */
  readonly position: Buffer;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  readonly port: number;
}

/** A contact as read from bytes, its position still unverified. */
export type UnverifiedContact = Omit<Contact, 'position'>;

/**
 * Contacts by their bytes as text. The same few thousand come in thousands of answers a second: each is read once, not
 * changed by anybody, and the same object for all nodes of this process.
 */
const contacts = new BoundedMap<string, UnverifiedContact>(4_096);
/** The bytes of contacts, as text. */
const texts = new WeakMap<UnverifiedContact, string>();

/** Where contacts are, by family: one object a contact, as every session keeps it. */
const endpoints = {
  4: new WeakMap<UnverifiedContact, Endpoint>(),
  6: new WeakMap<UnverifiedContact, Endpoint>(),
} as const;

const HAS_IPV4 = 1;
const HAS_IPV6 = 2;

/** Whether both would be reached in the same way. */
export function sameAddress(a: UnverifiedContact, b: UnverifiedContact): boolean {
  return a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6 && a.port === b.port && a.key.equals(b.key);
}

/** Without any address. */
export const LEAST_CONTACT_BYTES = 77;

/** Bytes that the contact takes in a message. */
export function contactBytes(contact: UnverifiedContact): number {
  return LEAST_CONTACT_BYTES + (contact.ipv4 ? 4 : 0) + (contact.ipv6 ? 16 : 0);
}

export function writeContact(writer: ByteWriter, contact: UnverifiedContact): void {
  let text = texts.get(contact);
  if (text === undefined) {
    text = encode(contact).toString('latin1');
    texts.set(contact, text);
  }
  writer.latin1(text);
}

function encode(contact: UnverifiedContact): Buffer {
  const v4 = contact.ipv4 === null ? null : ipv4Bytes(contact.ipv4);
  const v6 = contact.ipv6 === null ? null : ipv6Bytes(contact.ipv6);
  const { epoch, nonce } = contact.proof;
  const numbers = Buffer.allocUnsafe(4);
  numbers.writeUInt16BE(epoch, 0);
  numbers.writeUInt16BE(contact.port, 2);
  return Buffer.concat([
    Buffer.of((v4 ? HAS_IPV4 : 0) | (v6 ? HAS_IPV6 : 0)),
    ...[contact.identity, contact.key, numbers.subarray(0, 2), nonce, numbers.subarray(2)],
    ...(v4 ? [v4] : []),
    ...(v6 ? [v6] : []),
  ]);
}

/** Reads one contact, always the same object for the same bytes as long as it is kept. Throws the reader's Malformed. */
export function readContact(reader: ByteReader): UnverifiedContact {
  const flags = reader.peek();
  if (flags > (HAS_IPV4 | HAS_IPV6)) reader.fail();
  const text = reader.latin1(77 + (flags & HAS_IPV4 ? 4 : 0) + (flags & HAS_IPV6 ? 16 : 0));
  const known = contacts.get(text);
  if (known) return known;
  const contact = decode(flags, Buffer.from(text, 'latin1'));
  if (contact.port === 0) reader.fail();
  contacts.set(text, contact);
  texts.set(contact, text);
  return contact;
}

function decode(flags: number, bytes: Buffer): UnverifiedContact {
  const identity = lasting(bytes.subarray(1, 33));
  const proof = { epoch: bytes.readUInt16BE(65), nonce: lasting(bytes.subarray(67, 75)) };
  const ipv4 = flags & HAS_IPV4 ? ipv4Text(bytes.subarray(77)) : null;
  const ipv6 = flags & HAS_IPV6 ? ipv6Text(bytes.subarray(flags & HAS_IPV4 ? 81 : 77)) : null;
  return {
    id: identity.toString('hex'),
    ...{ identity, key: lasting(bytes.subarray(33, 65)), proof },
    ...{ port: bytes.readUInt16BE(75), ipv4, ipv6 },
  };
}

/** The contact with the addresses filled in from where its datagram came, if it named none itself. */
export function withSource(contact: UnverifiedContact, source: Endpoint): UnverifiedContact {
  if (contact.ipv4 !== null || contact.ipv6 !== null) return contact;
  return source.family === 4 ? { ...contact, ipv4: source.host } : { ...contact, ipv6: source.host };
}

/** Where to reach the contact, given the families that we can send to, always as the same object; null where there is none. */
export function contactEndpoint(
  contact: UnverifiedContact,
  reaches: (family: 4 | 6) => boolean,
): Endpoint | null {
  if (contact.ipv4 !== null && reaches(4)) return endpointIn(4, contact, contact.ipv4);
  if (contact.ipv6 !== null && reaches(6)) return endpointIn(6, contact, contact.ipv6);
  return null;
}

/** Where the contact was heard from, for keeping: the contact's own endpoint if it is that one. */
export function heardFrom(contact: UnverifiedContact, source: Endpoint): Endpoint {
  const own = contactEndpoint(contact, (family) => family === source.family);
  return own && sameEndpoint(own, source) ? own : source;
}

function endpointIn(family: 4 | 6, contact: UnverifiedContact, host: string): Endpoint {
  let endpoint = endpoints[family].get(contact);
  if (!endpoint) {
    endpoint = { family, host, port: contact.port };
    endpoints[family].set(contact, endpoint);
  }
  return endpoint;
}
