/**
 * Role: a process with DHT nodes, as the measuring process starts, asks, stops and ends it.
 *
 * Invariants: one request at a time; a process that ends early fails what was asked of it.
 *
 * Not here: the other end (host-service.ts).
 */

import { type ChildProcess, fork } from 'node:child_process';
import { PeerError } from '../../errors.js';
import type { HostAnswers, HostRequest } from './host-messages.js';

type Settle = (message: { result?: unknown; error?: string }) => void;

/** Garbage can be collected, and room for new garbage is small, so that what is resident is what nodes hold. */
const COLLECTABLE = ['--expose-gc', '--compact-on-every-full-gc', '--max-semi-space-size=2'];

export class HostProcess {
  readonly #child: ChildProcess;
  #settle: Settle | null = null;
  #ended = false;

  /** @param program a compiled module that calls serveHost */
  constructor(program: string, options: { readonly collectable?: boolean } = {}) {
    this.#child = fork(program, [], {
      execArgv: options.collectable ? COLLECTABLE : [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => this.#take(message as { result?: unknown; error?: string }));
    const end = () => {
      this.#ended = true;
      this.#take({ error: 'the process with the nodes has ended' });
    };
    this.#child.once('exit', end);
    this.#child.once('error', end);
  }

  /** Errors: 'dht-host', with what the host says. */
  ask<Request extends HostRequest>(request: Request): Promise<HostAnswers[Request['kind']]> {
    return new Promise((resolve, reject) => {
      this.#settle = ({ result, error }) => {
        if (error === undefined) resolve(result as HostAnswers[Request['kind']]);
        else reject(new PeerError('dht-host', error));
      };
      if (this.#ended) this.#take({ error: 'the process with the nodes has ended' });
      else this.#child.send(request);
    });
  }

  /** Takes it off the processor, so that its nodes neither answer nor go away. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  end(): void {
    if (!this.#ended) this.#child.kill('SIGKILL');
  }

  #take(message: { result?: unknown; error?: string }): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(message);
  }
}
