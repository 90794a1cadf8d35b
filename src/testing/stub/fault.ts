/**
 * Role: what a seeded fault of a stub is: where it changes what a right stub would do, and which check must notice.
 *
 * Not here: the faults (api-faults.ts, dht-faults.ts, kx-faults.ts), the right stubs (dht-stub.ts, kx-stub.ts).
 */

import type { ApiMessage } from '../../wire/message.js';

export type StubModule = 'dht' | 'kx';

/** Each may be left out: then that part is right. */
export interface FaultHooks {
  /** The answers to a request; `right` serves it as a right stub would. */
  readonly answers?: (request: ApiMessage, right: (request: ApiMessage) => ApiMessage[]) => ApiMessage[];
  /** A message on its way out. */
  readonly frame?: (frame: Buffer) => Buffer;
  /** Bytes on their way in, as the socket gave them. */
  readonly chunk?: (chunk: Buffer) => Buffer;
  /** Whether the message with this place in what the socket gave at once (from 0) is read. */
  readonly reads?: (place: number) => boolean;
  /** `bytes`: the message that was no right one. Right: 'close'. */
  readonly violation?: (bytes: Buffer) => 'close' | 'close-all' | 'ignore' | 'error';
  /** Whether the connection is closed after these answers. */
  readonly closesAfter?: (answers: readonly ApiMessage[]) => boolean;
  /** Whether a right request is a violation. */
  readonly refuses?: (request: ApiMessage, bytes: Buffer) => boolean;
  /** Answers go to all connections. */
  readonly answersAll?: true;
  /** A second connection is closed at once. */
  readonly oneConnection?: true;
}

export interface Fault {
  readonly name: string;
  readonly modules: readonly StubModule[];
  /** Completes "a module that …". */
  readonly what: string;
  /** Address of the check that must notice it. */
  readonly caughtBy: (module: StubModule) => string;
  /** New ones for each stub, as they may remember. */
  readonly hooks: () => FaultHooks;
}

/** The section on ERROR and violations. */
export const ERROR_SECTION = { dht: '3.1.6', kx: '3.2.5' } as const;
