/** Types of the part of noise-handshake 4.2 that `test/support/reference-noise.ts` uses. */
declare module 'noise-handshake' {
  interface NoiseKeyPair {
    publicKey: Buffer;
    secretKey: Buffer;
  }
  export default class Noise {
    constructor(pattern: 'IK', initiator: boolean, staticKeyPair: NoiseKeyPair);
    readonly tx: Buffer;
    readonly rx: Buffer;
    readonly rs: Buffer | null;
    initialise(prologue: Buffer, remoteStatic?: Buffer): void;
    send(payload?: Buffer): Buffer;
    recv(message: Buffer): Buffer;
  }
}
