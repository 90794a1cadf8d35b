/** Role: a byte stream between two hosts of a simulation: what is written arrives in order after a fixed delay. */
import type { ByteStream, Clock, Endpoint, StreamHandlers } from '../../dht/environment.js';

export class VirtualStream implements ByteStream {
  #peer: VirtualStream | null = null;
  #handlers: StreamHandlers | null = null;
  #waiting: Buffer[] = [];
  #closed = false;

  private constructor(
    readonly clock: Clock,
    readonly delayMs: number,
    readonly remote: Endpoint,
  ) {}

  /** Both ends: that of `from` first. */
  static pair(clock: Clock, delayMs: number, from: Endpoint, to: Endpoint): [VirtualStream, VirtualStream] {
    const near = new VirtualStream(clock, delayMs, to);
    const far = new VirtualStream(clock, delayMs, from);
    near.#peer = far;
    far.#peer = near;
    return [near, far];
  }

  start(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    for (const bytes of this.#waiting.splice(0)) handlers.onData(bytes);
  }

  write(bytes: Buffer): void {
    const copy = Buffer.from(bytes);
    if (!this.#closed) this.clock.setTimer(this.delayMs, () => this.#peer?.receive(copy));
  }

  end(): void {
    this.clock.setTimer(this.delayMs + 1, () => this.#closeBoth());
  }

  destroy(): void {
    this.clock.setTimer(0, () => this.#closeBoth());
  }

  private receive(bytes: Buffer): void {
    if (this.#closed) return;
    if (this.#handlers) this.#handlers.onData(bytes);
    else this.#waiting.push(bytes);
  }

  #closeBoth(): void {
    this.#peer?.close();
    this.close();
  }

  private close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers?.onClose();
  }
}
