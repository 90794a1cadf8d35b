/**
 * Role: another implementation of Noise IK (package noise-handshake), which native code must understand.
 *
 * Not here: what this project runs on (src/engine/ik-handshake.ts).
 */
import NoiseState from 'noise-handshake';
import type { NoiseKeyPair } from '../../src/identity/noise-keys.js';

export interface ReferenceOptions {
  readonly role: 'initiator' | 'responder';
  readonly keyPair: NoiseKeyPair;
  readonly prologue: Buffer;
  /** 32 bytes; the initiator must know it. */
  readonly remoteKey?: Buffer;
}

/** One run of a handshake. Steps throw where the other side's bytes are wrong. */
export class ReferenceIk {
  readonly #state: NoiseState;

  constructor({ role, keyPair, prologue, remoteKey }: ReferenceOptions) {
    const { publicKey, secretKey } = keyPair;
    this.#state = new NoiseState('IK', role === 'initiator', {
      publicKey: Buffer.from(publicKey),
      secretKey,
    });
    this.#state.initialise(prologue, remoteKey && Buffer.from(remoteKey));
  }

  get remoteKey(): Buffer {
    return Buffer.from(this.#state.rs as Buffer);
  }

  get keys(): { readonly sendKey: Buffer; readonly receiveKey: Buffer } {
    return { sendKey: Buffer.from(this.#state.tx), receiveKey: Buffer.from(this.#state.rx) };
  }

  write(payload: Buffer): Buffer {
    return this.#state.send(payload);
  }

  read(message: Buffer): Buffer {
    // The library keeps and later zeroes views of what it is given.
    return this.#state.recv(Buffer.from(message));
  }
}
