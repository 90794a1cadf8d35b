/**
 * What the DHT node takes from the outside: clock, randomness, datagrams, byte streams.
 *
 * The production daemon gives it the system's; tests and simulations give it virtual ones, so that thousands of
 * nodes run in one process. Not here: any implementation.
 */

import type { Clock, TimerHandle } from '../clock.js';

export type { Clock, TimerHandle };

export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Buffer;
  /** A number in [0, 1). */
  fraction(): number;
}

/** Where a datagram or stream goes to or comes from. `host` is an address in canonical text form, never a name. */
export interface Endpoint {
  readonly family: 4 | 6;
  readonly host: string;
  readonly port: number;
}

export interface DatagramTransport {
  /** Sends or silently loses; never throws. */
  send(to: Endpoint, datagram: Buffer): void;
  /** Whether this node can send to addresses of the family. */
  reaches(family: 4 | 6): boolean;
}

export interface StreamHandlers {
  onData(bytes: Buffer): void;
  /** Called exactly once, whatever ended the stream. */
  onClose(): void;
}

/** A reliable byte stream (TCP in production). */
export interface ByteStream {
  readonly remote: Endpoint;
  /** Bytes written but not yet taken by the other side, where known. */
  write(bytes: Buffer): void;
  /** Closes after what was written. */
  end(): void;
  destroy(): void;
  start(handlers: StreamHandlers): void;
}

export interface StreamTransport {
  /** A stream that is still connecting; a failure shows as `onClose`. */
  connect(to: Endpoint): ByteStream;
}
