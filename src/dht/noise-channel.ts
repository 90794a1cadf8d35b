/**
 * The production SecureChannel: Noise IK, ChaCha20-Poly1305 frames, certificates signed by hostkeys.
 *
 * Invariant: the nonce of a frame is its 64-bit counter, used once for each key. Not here: replay windows.
 */
import sodium from 'sodium-native';
import { PeerError } from '../errors.js';
import { verifyCertificate } from '../identity/certificate.js';
import { NOISE_KEY_BYTES, NoiseHandshake, type NoiseKeyPair, type NoiseResult } from '../identity/noise.js';
import {
  type ChannelKeys,
  type ChannelPurpose,
  SEAL_OVERHEAD,
  type SecureChannel,
} from './secure-channel.js';

const PROLOGUE: Readonly<Record<ChannelPurpose, Buffer>> = {
  datagram: Buffer.from('peer dht datagram v1', 'ascii'),
  stream: Buffer.from('peer dht stream v1', 'ascii'),
};

/** One for all frames: libsodium has read it when the call returns. */
const nonce = Buffer.alloc(12);

function nonceOf(counter: number): Buffer {
  nonce.writeUInt32LE(counter % 2 ** 32, 4);
  nonce.writeUInt32LE(Math.floor(counter / 2 ** 32), 8);
  return nonce;
}

/**
 * The keys for sending and for receiving as text of one character a byte: a third of the room that two buffers take,
 * into one pair of which they are written when they are used.
 */
function kept({ sendKey, receiveKey }: NoiseResult): ChannelKeys {
  return Buffer.concat([sendKey, receiveKey]).toString('latin1');
}

/** One pair for all frames, as the nonce. */
const pair = Buffer.alloc(2 * NOISE_KEY_BYTES);
const pairForSending = pair.subarray(0, NOISE_KEY_BYTES);
const pairForReceiving = pair.subarray(NOISE_KEY_BYTES);

function sendKeyOf(keys: ChannelKeys): Buffer {
  pair.write(keys.toString(), 'latin1');
  return pairForSending;
}

function receiveKeyOf(keys: ChannelKeys): Buffer {
  pair.write(keys.toString(), 'latin1');
  return pairForReceiving;
}

/** Runs a step; null where the other side's bytes made it fail. */
function orNull<T>(code: string, step: () => T): T | null {
  try {
    return step();
  } catch (error) {
    if (error instanceof PeerError && error.code.startsWith(code)) return null;
    throw error;
  }
}

/** @param keyPair our X25519 key @param certificate our certificate for that key */
export function noiseChannel(keyPair: NoiseKeyPair, certificate: Buffer): SecureChannel {
  return {
    certificate,

    initiate(purpose, remoteKey, payload) {
      return orNull('noise-failed', () => {
        const noise = new NoiseHandshake({
          pattern: 'IK',
          role: 'initiator',
          keyPair,
          prologue: PROLOGUE[purpose],
          remoteKey,
        });
        const message = noise.write(payload);
        const finish = (reply: Buffer) =>
          orNull('noise-failed', () => ({ payload: noise.read(reply), keys: kept(noise.result) }));
        return { message, finish };
      });
    },

    respond(purpose, message) {
      return orNull('noise-failed', () => {
        const noise = new NoiseHandshake({
          pattern: 'IK',
          role: 'responder',
          keyPair,
          prologue: PROLOGUE[purpose],
        });
        const payload = noise.read(message);
        const reply = (answer: Buffer) => ({
          message: noise.write(answer),
          keys: kept(noise.result),
        });
        return { remoteKey: noise.remoteKey as Buffer, payload, reply };
      });
    },

    seal(keys, counter, header, plaintext) {
      const sealed = Buffer.allocUnsafe(header.length + plaintext.length + SEAL_OVERHEAD);
      header.copy(sealed);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        sealed.subarray(header.length),
        plaintext,
        header,
        null,
        nonceOf(counter),
        sendKeyOf(keys),
      );
      return sealed;
    },

    open(keys, counter, header, sealed) {
      if (sealed.length < SEAL_OVERHEAD) return null;
      const plaintext = Buffer.allocUnsafe(sealed.length - SEAL_OVERHEAD);
      try {
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
          plaintext,
          null,
          sealed,
          header,
          nonceOf(counter),
          receiveKeyOf(keys),
        );
        return plaintext;
      } catch {
        return null;
      }
    },

    readCertificate(bytes, nowSeconds) {
      return orNull('certificate', () => verifyCertificate(bytes, 'dht', Math.floor(nowSeconds)));
    },
  };
}
