/**
 * Role: a call's control connection: Noise XK between two pseudo-identities, then encrypted messages.
 *
 * Invariants: the callee proves the pseudo-identity that was dialled, the caller the one that it names; each side's
 * keys die with the channel; there are no signatures, so nobody can prove to a third that a call took place. An
 * altered, replayed or missing frame ends the channel.
 *
 * Not here: what the messages mean (call.ts, telephone.ts).
 */

import type { Socket } from 'node:net';
import sodium from 'sodium-native';
import { CallHandshake, type CallSecrets } from '../engine/call-handshake.js';
import { PeerError } from '../errors.js';
import { deriveKey, NOISE_TAG_BYTES } from '../identity/noise-keys.js';
import {
  isValidPseudoIdentity,
  type PseudoIdentity,
  toX25519PublicKey,
  toX25519SecretKey,
} from '../identity/pseudo-identity.js';
import type { ControlConnection, Listener, VoiceKeys } from './control-connection.js';
import { type ControlMessage, decodeControlMessage, encodeControlMessage } from './control-message.js';
import { FrameSocket } from './frame-socket.js';
import { verificationWords } from './verification-words.js';

const HANDSHAKE_TIMEOUT_MS = 10_000;
const NONCE_BYTES = 12;
/** Messages that wait for a listener. */
const MAX_BACKLOG = 16;

export class ControlChannel implements ControlConnection {
  /** The other party's pseudo-identity, proven. */
  readonly remote: Buffer;
  /** Ours. */
  readonly local: Buffer;
  readonly voiceKeys: VoiceKeys;
  readonly words: string;
  /** The address that stands for the other party. */
  readonly remoteAddress: string;
  readonly #frames: FrameSocket;
  readonly #sendKey: Buffer;
  readonly #receiveKey: Buffer;
  #sent = 0n;
  #received = 0n;
  #listener: Listener | null = null;
  readonly #backlog: ControlMessage[] = [];
  #closed = false;
  #ended = false;

  private constructor(frames: FrameSocket, local: Buffer, remote: Buffer, secrets: CallSecrets) {
    this.#frames = frames;
    this.local = local;
    this.remote = remote;
    this.remoteAddress = frames.remoteAddress;
    this.words = verificationWords(secrets.transcript);
    this.#sendKey = deriveKey(secrets.send, 'voip control v1');
    this.#receiveKey = deriveKey(secrets.receive, 'voip control v1');
    this.voiceKeys = { sendKey: voiceKey(secrets.send), receiveKey: voiceKey(secrets.receive) };
    sodium.sodium_memzero(secrets.send);
    sodium.sodium_memzero(secrets.receive);
    frames.onFrame = (frame) => this.#open(frame);
    frames.onClose = () => {
      this.#closed = true;
      this.#forgetKeys();
      this.#listener?.onClose();
    };
  }

  /** The caller's side. Errors: 'call-handshake' (nobody, or somebody else, answers there). */
  static async call(socket: Socket, local: PseudoIdentity, remote: Buffer): Promise<ControlChannel> {
    const secret = toX25519SecretKey(local.secretKey);
    const handshake = CallHandshake.call(secret, toX25519PublicKey(remote), remote);
    if (handshake === null) throw refused('a key of this call cannot be used');
    const frames = new FrameSocket(socket);
    return shakeHands(
      frames,
      () => frames.send(handshake.opening),
      (frame) => {
        const last = handshake.conclude(frame, local.publicKey);
        const secrets = handshake.secrets();
        if (last === null || secrets === null) throw refused('somebody else answers');
        frames.send(last);
        return new ControlChannel(frames, local.publicKey, remote, secrets);
      },
    );
  }

  /** The callee's side: finds out which of our pseudo-identities is meant. Errors: 'call-handshake'. */
  static async answer(socket: Socket, identities: readonly PseudoIdentity[]): Promise<ControlChannel> {
    const frames = new FrameSocket(socket);
    let meant: { readonly identity: PseudoIdentity; readonly handshake: CallHandshake } | null = null;
    return shakeHands(
      frames,
      () => {},
      (frame) => {
        if (meant === null) {
          meant = findMeant(frame, identities);
          frames.send(meant.handshake.opening);
          return null;
        }
        const { identity, handshake } = meant;
        const caller = handshake.read(frame);
        const secrets = handshake.secrets();
        const isProven =
          caller !== null &&
          secrets !== null &&
          isValidPseudoIdentity(caller) &&
          toX25519PublicKey(caller).equals(secrets.remoteKey);
        if (!isProven) throw refused('the caller does not hold the pseudo-identity that it names');
        return new ControlChannel(frames, identity.publicKey, caller, secrets);
      },
    );
  }

  /**
   * Hands messages and the end of the connection to `listener`, those first that came while there was none.
   * `null`: they wait (a few; more end the connection).
   */
  listen(listener: Listener | null): void {
    this.#listener = listener;
    while (this.#listener !== null) {
      const message = this.#backlog.shift();
      if (message === undefined) break;
      this.#listener.onMessage(message);
    }
    if (this.#closed) this.#listener?.onClose();
  }

  /** Nothing happens after the end. */
  send(message: ControlMessage): void {
    if (this.#ended || this.#closed) return;
    const plain = encodeControlMessage(message);
    const sealed = Buffer.alloc(plain.length + NOISE_TAG_BYTES);
    const nonce = nonceOf(this.#sent);
    this.#sent += 1n;
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plain, null, null, nonce, this.#sendKey);
    this.#frames.send(sealed);
  }

  /** Sends what is queued and closes; what still arrives is not heard. */
  end(): void {
    this.#frames.end();
    this.#forgetKeys();
  }

  #forgetKeys(): void {
    this.#ended = true;
    const { sendKey, receiveKey } = this.voiceKeys;
    for (const key of [this.#sendKey, this.#receiveKey, sendKey, receiveKey]) sodium.sodium_memzero(key);
  }

  #open(frame: Buffer): void {
    if (this.#ended) return;
    const nonce = nonceOf(this.#received);
    this.#received += 1n;
    const plain = Buffer.alloc(Math.max(frame.length - NOISE_TAG_BYTES, 0));
    try {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(plain, null, frame, null, nonce, this.#receiveKey);
    } catch {
      this.#frames.destroy();
      return;
    }
    const message = decodeControlMessage(plain);
    if (message === null || this.#backlog.length >= MAX_BACKLOG) this.#frames.destroy();
    else if (this.#listener === null) this.#backlog.push(message);
    else this.#listener.onMessage(message);
  }
}

/** Runs `step` on each frame until it returns a channel; bounded in time. */
function shakeHands(
  frames: FrameSocket,
  start: () => void,
  step: (frame: Buffer) => ControlChannel | null,
): Promise<ControlChannel> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      frames.destroy();
      reject(new PeerError('call-handshake', 'the other party could not be authenticated', { cause }));
    };
    const timer = setTimeout(() => fail(new Error('timeout')), HANDSHAKE_TIMEOUT_MS);
    frames.onClose = () => fail(new Error('the connection was closed'));
    frames.onFrame = (frame) => {
      try {
        const channel = step(frame);
        if (channel === null) return;
        clearTimeout(timer);
        resolve(channel);
      } catch (error) {
        fail(error);
      }
    };
    start();
  });
}

/** Message 1 opens under the key of the one that is meant; its Ed25519 encoding is bound too. */
function findMeant(
  frame: Buffer,
  identities: readonly PseudoIdentity[],
): { identity: PseudoIdentity; handshake: CallHandshake } {
  for (const identity of identities) {
    const secret = toX25519SecretKey(identity.secretKey);
    const handshake = CallHandshake.answer(secret, identity.publicKey, frame);
    if (handshake !== null) return { identity, handshake };
  }
  throw refused('the caller wants none of our pseudo-identities');
}

function refused(why: string): PeerError<'call-handshake'> {
  return new PeerError('call-handshake', why);
}

function voiceKey(secret: Buffer): Buffer {
  return deriveKey(secret, 'voip voice v1').subarray(0, 28);
}

function nonceOf(counter: bigint): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(counter, 4);
  return nonce;
}
