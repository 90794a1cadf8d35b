/**
 * The production SecureChannel: Noise IK, ChaCha20-Poly1305 frames, certificates signed by hostkeys.
 *
 * Invariant: the nonce of a frame is who sends it, the initiator or the responder, and its 64-bit counter, used once for each
 * key. Not here: replay windows; handshakes and certificates, which native code does.
 */
import sodium from 'sodium-native';
import { NOISE_KEY_BYTES, type NoiseKeyPair } from '../identity/noise-keys.js';
import {
  type ChannelKeys,
  type ChannelPurpose,
  SEAL_OVERHEAD,
  type SecureChannel,
} from './secure-channel.js';

const PROLOGUE: Readonly<Record<ChannelPurpose, Buffer>> = {
  datagram: Buffer.from('peer dht datagram v2', 'ascii'),
  stream: Buffer.from('peer dht stream v2', 'ascii'),
};

/** Who sends: the first four bytes of a nonce, little-endian. */
type Sender = 0 | 1;
const INITIATOR: Sender = 0;
const RESPONDER: Sender = 1;

/** One for all frames: libsodium has read it when the call returns. */
const nonce = Buffer.alloc(12);

function nonceOf(sender: Sender, counter: number): Buffer {
  nonce[0] = sender;
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

/** What native code does for a channel, and the DHT does not import. */
export interface ChannelEngine {
  /** What makes handshakes, of a key's 32 secret bytes. */
  ikKey(secretKey: Buffer): IkKey;
  /** Identity 32 · key 32 · expiry u64 of a certificate for DHT use; null where it does not hold. */
  readDhtCertificate(bytes: Buffer, nowSeconds: number): Buffer | null;
}

const KEYS_BYTES = 2 * NOISE_KEY_BYTES;

/**
 * What is kept of a handshake: who we are in it and the key of what the initiator sends, which is the key of both directions
 * here. As text of one character a byte, from which the key is written where it is used: a buffer takes four times the room.
 */
function takeKeys(bytes: Buffer, own: Sender): { readonly keys: ChannelKeys; readonly rest: Buffer } {
  const at = own === INITIATOR ? 0 : NOISE_KEY_BYTES;
  const keys = String.fromCharCode(own) + bytes.toString('latin1', at, at + NOISE_KEY_BYTES);
  bytes.fill(0, 0, KEYS_BYTES);
  return { keys, rest: bytes.subarray(KEYS_BYTES) };
}

/** One for all frames, as the nonce. */
const kept = Buffer.alloc(1 + NOISE_KEY_BYTES);
const keptKey = kept.subarray(1);

/** The key, and who we are. */
function keyOf(keys: ChannelKeys): { readonly key: Buffer; readonly own: Sender } {
  kept.write(keys.toString(), 'latin1');
  return { key: keptKey, own: kept[0] === INITIATOR ? INITIATOR : RESPONDER };
}

/** @param keyPair our X25519 key @param certificate our certificate for that key */
export function noiseChannel(
  keyPair: NoiseKeyPair,
  certificate: Buffer,
  engine: ChannelEngine,
): SecureChannel {
  const own = engine.ikKey(keyPair.secretKey);
  return {
    certificate,

    initiate(purpose, remoteKey, payload) {
      const initiation = own.initiate(PROLOGUE[purpose], remoteKey, payload);
      if (!initiation) return null;
      const finish = (reply: Buffer) => {
        const finished = initiation.finish(reply);
        if (!finished) return null;
        const { keys, rest } = takeKeys(finished, INITIATOR);
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
        const { keys, rest } = takeKeys(written, RESPONDER);
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
      const { key, own: sender } = keyOf(keys);
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        sealed.subarray(header.length),
        plaintext,
        header,
        null,
        nonceOf(sender, counter),
        key,
      );
      return sealed;
    },

    open(keys, counter, header, sealed) {
      if (sealed.length < SEAL_OVERHEAD) return null;
      const plaintext = Buffer.allocUnsafe(sealed.length - SEAL_OVERHEAD);
      const { key, own: receiver } = keyOf(keys);
      try {
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
          plaintext,
          null,
          sealed,
          header,
          nonceOf(receiver === INITIATOR ? RESPONDER : INITIATOR, counter),
          key,
        );
        return plaintext;
      } catch {
        return null;
      }
    },

    readCertificate(bytes, nowSeconds) {
      const read = engine.readDhtCertificate(bytes, Math.floor(nowSeconds));
      return (
        read && {
          identity: read.subarray(0, 32),
          key: read.subarray(32, 64),
          expirySeconds: Number(read.readBigUInt64BE(64)),
        }
      );
    },
  };
}
