/**
 * Role: one client's connection through the proxy: two sockets and a course between them each way.
 *
 * Invariants: an end of one side is passed on behind what came before it, a reset at once. Nothing is read from one side
 * while the other does not take what came. Whatever goes wrong ends this connection alone.
 *
 * Not here: listening (proxy.ts), what becomes of messages (course.ts).
 */

import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../../clock.js';
import type { Capture, CapturedConnection, End, Interface } from './capture.js';
import { Course } from './course.js';
import type { EventLog, LogRecord } from './event-log.js';
import type { Endpoint } from './ip-packet.js';
import { type Api, ipBytes } from './message-json.js';
import { Outlet } from './outlet.js';
import type { Cut } from './plan.js';
import type { Direction } from './rule.js';
import type { RuleSet } from './rule-set.js';

export interface ConnectionOptions {
  readonly api: Api;
  readonly target: { readonly host: string; readonly port: number };
  readonly rules: RuleSet;
  readonly clock: Clock;
  readonly log: EventLog | null;
  readonly capture: Capture | null;
  readonly onClosed: (connection: ProxiedConnection) => void;
}

interface Side {
  readonly name: Interface;
  readonly socket: Socket;
  /** Which end of the captured connection is the proxy. */
  readonly own: End;
  captured: CapturedConnection | null;
  closed: boolean;
}

const CONNECT_MS = 5_000;

export class ProxiedConnection {
  readonly id: number;
  readonly #options: ConnectionOptions;
  readonly #client: Side;
  readonly #target: Side;
  #outlets: Outlet[] = [];
  #over = false;

  /** `socket` is paused: nothing is read from it before the target is there. */
  constructor(id: number, socket: Socket, options: ConnectionOptions) {
    this.id = id;
    this.#options = options;
    const toTarget = createConnection({ ...options.target, allowHalfOpen: true, noDelay: true });
    this.#client = { name: 'client', socket, own: 'acceptor', captured: null, closed: false };
    this.#target = { name: 'target', socket: toTarget, own: 'opener', captured: null, closed: false };
    socket.setNoDelay(true);
    this.#client.captured = this.#captured(this.#client);
    this.#log('open', {
      client: textOf(socket.remoteAddress, socket.remotePort),
      target: textOf(options.target.host, options.target.port),
    });
    for (const side of [this.#client, this.#target]) {
      side.socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(side, error));
      side.socket.on('close', () => this.#close(side));
    }
    toTarget.setTimeout(CONNECT_MS, () => toTarget.destroy(new Error('it does not answer')));
    toTarget.once('connect', () => {
      toTarget.setTimeout(0);
      this.#target.captured = this.#captured(this.#target);
      this.#join();
    });
  }

  /** Ends both sides at once. */
  cut(how: Cut): void {
    if (this.#over) return;
    this.#over = true;
    for (const outlet of this.#outlets) outlet.stop();
    for (const side of [this.#client, this.#target]) {
      if (how === 'reset') {
        side.captured?.reset(side.own);
        side.socket.resetAndDestroy();
      } else {
        side.captured?.end(side.own);
        side.socket.resume(); // what still comes is thrown away, so that its end is seen
        side.socket.destroySoon();
      }
    }
  }

  #join(): void {
    const toTarget = this.#outlet(this.#target, this.#client);
    const toClient = this.#outlet(this.#client, this.#target);
    this.#outlets = [toTarget, toClient];
    this.#follow(this.#client, 'to-target', toTarget, toClient);
    this.#follow(this.#target, 'to-client', toClient, toTarget);
  }

  #outlet(to: Side, from: Side): Outlet {
    const outlet = new Outlet(this.#options.clock, {
      write: (bytes) => {
        to.captured?.data(to.own, bytes);
        return to.socket.write(bytes);
      },
      end: () => {
        to.captured?.end(to.own);
        to.socket.end();
      },
      // The kernel gets what was written before, so that it goes out ahead of the reset.
      cut: (how) => void to.socket.write('', () => this.cut(how)),
      onRoom: () => from.socket.resume(),
    });
    to.socket.on('drain', () => outlet.onDrain());
    return outlet;
  }

  #follow(from: Side, direction: Direction, outlet: Outlet, back: Outlet): void {
    const { api, rules } = this.#options;
    const log = (event: LogRecord['event'], fields: object) => this.#log(event, { direction, ...fields });
    const course = new Course({ api, connection: this.id, direction, rules, outlet, back, log });
    from.socket.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      from.captured?.data(other(from.own), chunk);
      course.push(chunk);
      if (outlet.full) from.socket.pause();
    });
    const onEnd = () => {
      if (this.#over) return;
      from.captured?.end(other(from.own));
      course.end();
      log('end', {});
    };
    from.socket.on('end', () => {
      // A reset right behind data looks like an end; only whoever writes hears of it.
      const { socket } = from;
      if (socket.writableEnded || socket.writableLength > 0) onEnd();
      else
        socket.write('', (error) => {
          if (!error) onEnd(); // else 'error' follows
        });
    });
    from.socket.resume();
  }

  /** What broke one side breaks the other. */
  #fail(side: Side, error: NodeJS.ErrnoException): void {
    if (this.#over) return;
    if (side === this.#target && this.#outlets.length === 0)
      this.#log('unreachable', { reason: error.message });
    else this.#log('reset', { by: side.name, reason: error.code ?? error.message });
    side.captured?.reset(other(side.own));
    this.cut('reset');
  }

  #close(side: Side): void {
    side.closed = true;
    if (!this.#client.closed || !this.#target.closed) return;
    this.#over = true;
    for (const outlet of this.#outlets) outlet.stop();
    this.#log('close', {});
    this.#options.onClosed(this);
  }

  #captured(side: Side): CapturedConnection | null {
    const { localAddress, localPort, remoteAddress, remotePort } = side.socket;
    const own = endpoint(localAddress, localPort);
    const peer = endpoint(remoteAddress, remotePort);
    if (own === null || peer === null) return null;
    const [opener, acceptor] = side.own === 'opener' ? [own, peer] : [peer, own];
    return this.#options.capture?.open(side.name, opener, acceptor) ?? null;
  }

  #log(event: LogRecord['event'], fields: object): void {
    this.#options.log?.write({ connection: this.id, event, ...fields });
  }
}

function other(end: End): End {
  return end === 'opener' ? 'acceptor' : 'opener';
}

function endpoint(address: string | undefined, port: number | undefined): Endpoint | null {
  const bare = address?.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '') ?? '';
  const bytes = ipBytes(bare);
  return bytes === null || port === undefined ? null : { address: bytes, port };
}

function textOf(host: string | undefined, port: number | undefined): string {
  return host?.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
