/**
 * The production SecureChannel: Noise IK, ChaCha20-Poly1305 frames, certificates signed by hostkeys.
 *
 * Invariant: the nonce of a frame is its 64-bit counter, used once for each key. Not here: replay windows; the
 * handshake itself, which native code makes.
 */
import sodium from 'sodium-native';
import { PeerError } from '../errors.js';
import { verifyCertificate } from '../identity/certificate.js';
import { NOISE_KEY_BYTES, type NoiseKeyPair } from '../identity/noise-keys.js';
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

/** Handshakes as native code makes them (src/engine/ik-handshake.ts). Whatever the other side's bytes make fail is null. */
export interface IkKey {
  initiate(prologue: Buffer, remote: Buffer, payload: Buffer): IkInitiation | null;
  respond(prologue: Buffer, message: Buffer): IkReception | null;
}

export interface IkInitiation {
  /** The first message, once. */
  takeMessage(): Buffer;
  /** Key for sending 32 · key for receiving 32 · payload, once. */
  finish(message: Buffer): Buffer | null;
}

export interface IkReception {
  /** The initiator's static key 32 · payload. */
  opened(): Buffer | null;
  /** Key for sending 32 · key for receiving 32 · second message, once. */
  reply(payload: Buffer): Buffer | null;
}

/** What makes a key for handshakes of its 32 secret bytes. */
export type MakeIkKey = (secretKey: Buffer) => IkKey;

const KEYS_BYTES = 2 * NOISE_KEY_BYTES;

/**
 * The keys for sending and for receiving as text of one character a byte: a third of the room that two buffers take,
 * into one pair of which they are written when they are used.
 */
function takeKeys(bytes: Buffer): { readonly keys: ChannelKeys; readonly rest: Buffer } {
  const keys = bytes.toString('latin1', 0, KEYS_BYTES);
  bytes.fill(0, 0, KEYS_BYTES);
  return { keys, rest: bytes.subarray(KEYS_BYTES) };
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

/** @param keyPair our X25519 key @param certificate our certificate for that key */
export function noiseChannel(keyPair: NoiseKeyPair, certificate: Buffer, makeKey: MakeIkKey): SecureChannel {
  const own = makeKey(keyPair.secretKey);
  return {
    certificate,

    initiate(purpose, remoteKey, payload) {
      const initiation = own.initiate(PROLOGUE[purpose], remoteKey, payload);
      if (!initiation) return null;
      const finish = (reply: Buffer) => {
        const finished = initiation.finish(reply);
        if (!finished) return null;
        const { keys, rest } = takeKeys(finished);
        return { payload: rest, keys };
      };
      return { message: initiation.takeMessage(), finish };
    },

    respond(purpose, message) {
      const reception = own.respond(PROLOGUE[purpose], message);
      const opened = reception?.opened();
      if (!reception || !opened) return null;
      const reply = (answer: Buffer) => {
        const written = reception.reply(answer);
        if (!written) throw new RangeError(`an answer of ${answer.length} bytes does not fit a handshake`);
        const { keys, rest } = takeKeys(written);
        return { message: rest, keys };
      };
      return {
        remoteKey: opened.subarray(0, NOISE_KEY_BYTES),
        payload: opened.subarray(NOISE_KEY_BYTES),
        reply,
      };
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
      try {
        return verifyCertificate(bytes, 'dht', Math.floor(nowSeconds));
      } catch (error) {
        if (error instanceof PeerError && error.code.startsWith('certificate')) return null;
        throw error;
      }
    },
  };
}
