/**
 * Role: a stub put together: module, network that it tells of, script and fault.
 *
 * Not here: each of them; the command line (src/cli/test-stub.ts).
 */

import type { PeerAddress } from '../../wire/message.js';
import { DhtStub } from './dht-stub.js';
import type { StubModule } from './fault.js';
import { faultNamed } from './faults.js';
import { KxStub } from './kx-stub.js';
import type { Script } from './script.js';
import { StubServer } from './stub-server.js';

export interface StartStubOptions {
  readonly module: StubModule;
  readonly host: string;
  readonly port: number;
  /** What a TRACE finds, the target first. */
  readonly hops: readonly PeerAddress[];
  readonly script?: Script;
  readonly fault?: string;
  readonly tell?: (text: string) => void;
}

export interface RunningStub {
  readonly port: number;
  close(): Promise<void>;
}

/** Errors: 'usage' (unknown fault), 'listen'. */
export async function startStub(options: StartStubOptions): Promise<RunningStub> {
  const { module, hops, fault, ...rest } = options;
  const stub = module === 'dht' ? new DhtStub(hops) : new KxStub();
  const server = new StubServer({
    ...rest,
    module,
    answers: (request) => stub.answers(request),
    ...(fault === undefined ? {} : { fault: faultNamed(module, fault).hooks() }),
  });
  return { port: await server.listen(), close: () => server.close() };
}
