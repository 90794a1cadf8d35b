/**
 * Role: stands in for Noise and certificates in simulations: the same sizes and the same refusals, at next to no cost.
 *
 * It protects nothing: checksums in the place of tags, and the receiver's public key in the place of session keys, so
 * that a session takes no memory for keys. Altered bytes are refused, as the real one refuses them.
 */
import type { Random } from '../../dht/environment.js';
import {
  CERTIFICATE_BYTES,
  INITIATION_OVERHEAD,
  RECEPTION_OVERHEAD,
  SEAL_OVERHEAD,
  type SecureChannel,
} from '../../dht/secure-channel.js';

const SALT_BYTES = 8;
const SUM_BYTES = 4;
const KEY_BYTES = 32;
const DAY_SECONDS = 86_400;
const BASIS = 0x811c9dc5;

/** FNV-1a, 32 bits. */
function checksum(basis: number, bytes: Buffer): number {
  let sum = basis;
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ (bytes[i] as number), 0x01000193);
  return sum;
}

export function standInCertificate(identity: Buffer, key: Buffer): Buffer {
  return Buffer.concat([identity, key], CERTIFICATE_BYTES);
}

/** salt · sum · zeros (32 in all) · key of the sender · key of the receiver · payload */
function firstMessage(salt: Buffer, key: Buffer, remoteKey: Buffer, payload: Buffer): Buffer {
  const message = Buffer.allocUnsafe(INITIATION_OVERHEAD + payload.length).fill(0, 0, KEY_BYTES);
  salt.copy(message);
  key.copy(message, KEY_BYTES);
  remoteKey.copy(message, 2 * KEY_BYTES);
  payload.copy(message, INITIATION_OVERHEAD);
  message.writeInt32LE(sumOfFirst(message), SALT_BYTES);
  return message;
}

function sumOfFirst(message: Buffer): number {
  return checksum(checksum(BASIS, message.subarray(0, SALT_BYTES)), message.subarray(KEY_BYTES));
}

/** salt of the first message · sum · zeros (48 in all) · payload */
function secondMessage(salt: Buffer, payload: Buffer): Buffer {
  const message = Buffer.allocUnsafe(RECEPTION_OVERHEAD + payload.length).fill(0, 0, RECEPTION_OVERHEAD);
  salt.copy(message);
  payload.copy(message, RECEPTION_OVERHEAD);
  message.writeInt32LE(checksum(checksum(BASIS, salt), payload), SALT_BYTES);
  return message;
}

function sealSum(key: Buffer, counter: number, header: Buffer, plaintext: Buffer): number {
  return checksum(checksum(key.readInt32LE(0) ^ counter, header), plaintext);
}

/** @param shared gives the one copy of a key that all of the simulation use; by default each session has its own */
export function standInChannel(
  identity: Buffer,
  key: Buffer,
  random: Random,
  shared: (key: Buffer) => Buffer = (remoteKey) => Buffer.from(remoteKey),
): SecureChannel {
  return {
    certificate: standInCertificate(identity, key),
    initiate(_purpose, remoteKey, payload) {
      const salt = random.bytes(SALT_BYTES);
      return {
        message: firstMessage(salt, key, remoteKey, payload),
        finish(reply) {
          if (reply.length < RECEPTION_OVERHEAD || !reply.subarray(0, SALT_BYTES).equals(salt)) return null;
          const body = reply.subarray(RECEPTION_OVERHEAD);
          if (reply.readInt32LE(SALT_BYTES) !== checksum(checksum(BASIS, salt), body)) return null;
          return { payload: body, keys: remoteKey };
        },
      };
    },
    respond(_purpose, message) {
      if (message.length < INITIATION_OVERHEAD) return null;
      if (!message.subarray(2 * KEY_BYTES, INITIATION_OVERHEAD).equals(key)) return null;
      if (message.readInt32LE(SALT_BYTES) !== sumOfFirst(message)) return null;
      const remoteKey = shared(message.subarray(KEY_BYTES, 2 * KEY_BYTES));
      return {
        remoteKey,
        payload: message.subarray(INITIATION_OVERHEAD),
        reply: (payload) => ({
          message: secondMessage(message.subarray(0, SALT_BYTES), payload),
          keys: remoteKey,
        }),
      };
    },
    seal(keys, counter, header, plaintext) {
      const end = header.length + plaintext.length;
      const sealed = Buffer.allocUnsafe(end + SEAL_OVERHEAD);
      header.copy(sealed);
      plaintext.copy(sealed, header.length);
      sealed.fill(0, end + SUM_BYTES);
      sealed.writeInt32LE(sealSum(keys as Buffer, counter, header, plaintext), end);
      return sealed;
    },
    open(_keys, counter, header, sealed) {
      const length = sealed.length - SEAL_OVERHEAD;
      if (length < 0) return null;
      const plaintext = sealed.subarray(0, length);
      return sealed.readInt32LE(length) === sealSum(key, counter, header, plaintext) ? plaintext : null;
    },
    readCertificate: (bytes, nowSeconds) => ({
      identity: bytes.subarray(0, KEY_BYTES),
      key: bytes.subarray(KEY_BYTES, 2 * KEY_BYTES),
      expirySeconds: nowSeconds + DAY_SECONDS,
    }),
  };
}
