/**
 * Noise handshakes (IK and XK on X25519, ChaChaPoly, BLAKE2b) behind a small typed surface.
 *
 * Invariants: every failure — bad point, bad tag, short message, wrong order of calls — is a PeerError
 * `noise-failed`; a handshake that failed once is dead; buffers given by the caller are never altered or kept.
 * Not here: certificates, framing, and the transport ciphers that run on the resulting keys.
 */
import { createHmac } from 'node:crypto';
import NoiseState from 'noise-handshake';
import sodium from 'sodium-native';
import { PeerError } from '../errors.js';

/** Length in bytes of X25519 keys, of the transport keys and of sub-keys. */
export const NOISE_KEY_BYTES = 32;
/** Bytes that an AEAD adds to what it encrypts. */
export const NOISE_TAG_BYTES = 16;

export interface NoiseKeyPair {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}

/** What a finished handshake leaves: one key for each direction and the hash of the whole transcript. */
export interface NoiseResult {
  /** 32 bytes: encrypts what we send. */
  readonly sendKey: Buffer;
  /** 32 bytes: decrypts what we receive. */
  readonly receiveKey: Buffer;
  /** 64 bytes: binds everything said in the handshake. */
  readonly handshakeHash: Buffer;
  /** 32 bytes: the other side's static key, which the handshake has authenticated. */
  readonly remoteKey: Buffer;
}

export interface NoiseOptions {
  readonly pattern: 'IK' | 'XK';
  readonly role: 'initiator' | 'responder';
  readonly keyPair: NoiseKeyPair;
  /** Both sides must give the same bytes. */
  readonly prologue: Buffer;
  /** 32 bytes; the initiator of IK and XK must know it. */
  readonly remoteKey?: Buffer;
}

function failed(what: string, cause: unknown): PeerError<'noise-failed'> {
  return new PeerError('noise-failed', `Noise handshake failed: ${what}`, { cause });
}

/** Makes a new X25519 key pair. */
export function createNoiseKeyPair(): NoiseKeyPair {
  const secretKey = Buffer.alloc(NOISE_KEY_BYTES);
  sodium.randombytes_buf(secretKey);
  return noiseKeyPairOf(secretKey);
}

/** The X25519 key pair of a 32-byte secret key. */
export function noiseKeyPairOf(secretKey: Buffer): NoiseKeyPair {
  const publicKey = Buffer.alloc(NOISE_KEY_BYTES);
  sodium.crypto_scalarmult_base(publicKey, secretKey);
  return { publicKey, secretKey };
}

/** One run of a handshake. `write` and `read` alternate as the pattern says. */
export class NoiseHandshake {
  readonly #state: NoiseState;
  #dead = false;

  /** @throws PeerError `noise-failed` where a key is missing or has a wrong length. */
  constructor(options: NoiseOptions) {
    try {
      const keyPair = {
        publicKey: Buffer.from(options.keyPair.publicKey),
        secretKey: options.keyPair.secretKey,
      };
      if (keyPair.secretKey.length !== NOISE_KEY_BYTES || keyPair.publicKey.length !== NOISE_KEY_BYTES) {
        throw new RangeError('static key pair must have 32-byte keys');
      }
      const initiator = options.role === 'initiator';
      if (initiator && options.remoteKey?.length !== NOISE_KEY_BYTES) {
        throw new RangeError('the initiator needs the 32-byte key of the other side');
      }
      this.#state = new NoiseState(options.pattern, initiator, keyPair);
      this.#state.initialise(
        options.prologue,
        initiator ? Buffer.from(options.remoteKey as Buffer) : undefined,
      );
    } catch (cause) {
      throw failed('set-up', cause);
    }
  }

  /** True once both sides have said everything; then `result` is there. */
  get complete(): boolean {
    return !this.#dead && this.#state.complete;
  }

  /** The other side's static key as soon as it is known. In IK the responder has it after the first read. */
  get remoteKey(): Buffer | null {
    const key = this.#state.rs;
    return key ? Buffer.from(key) : null;
  }

  /** Next message of ours, with an encrypted payload. @throws PeerError `noise-failed` */
  write(payload: Buffer = Buffer.alloc(0)): Buffer {
    return this.#step('write', () => this.#state.send(payload));
  }

  /** Reads the other side's next message and gives its payload. @throws PeerError `noise-failed` */
  read(message: Buffer): Buffer {
    // The library keeps and later zeroes views of what it is given, so it gets a copy.
    return this.#step('read', () => this.#state.recv(Buffer.from(message)));
  }

  /** @throws PeerError `noise-failed` before the handshake is complete. */
  get result(): NoiseResult {
    if (!this.complete) throw failed('result asked for before the end', undefined);
    return {
      sendKey: Buffer.from(this.#state.tx),
      receiveKey: Buffer.from(this.#state.rx),
      handshakeHash: Buffer.from(this.#state.hash),
      remoteKey: Buffer.from(this.#state.rs as Buffer),
    };
  }

  #step(what: string, run: () => Buffer): Buffer {
    if (this.#dead) throw failed(`${what} after an earlier failure`, undefined);
    if (this.#state.complete) throw failed(`${what} after the end`, undefined);
    try {
      return run();
    } catch (cause) {
      this.#dead = true;
      throw failed(what, cause);
    }
  }
}

/**
 * A 32-byte sub-key of `secret` for one purpose: HMAC-SHA-256(secret, "peer " ‖ label ‖ 0x01), that is the
 * first block of HKDF-Expand. Different labels give independent keys.
 */
export function deriveKey(secret: Buffer, label: string): Buffer {
  return createHmac('sha256', secret).update(`peer ${label}`, 'utf8').update(Buffer.of(1)).digest();
}
