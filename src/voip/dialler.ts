/**
 * Role: the way from a pseudo-identity to a control connection with its owner: look-up, tunnel, TCP, handshake.
 *
 * Invariants: every step is bounded in time and can be broken off; every failure has a reason for a person.
 *
 * Not here: what is said on the connection (conversation.ts).
 */

import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { ApiEndpoint } from '../api/client.js';
import type { KxClient, TunnelReady } from '../api/kx-client.js';
import { PeerError } from '../errors.js';
import type { PseudoIdentity } from '../identity/pseudo-identity.js';
import { encodeBuildExtension } from '../wire/build-extension.js';
import { type Door, encodePresenceRecord, type PresenceRecord } from '../wire/presence-record.js';
import type { Call, EndReason } from './call.js';
import { ControlChannel } from './control-channel.js';
import type { ControlConnection } from './control-connection.js';
import { search } from './directory.js';
import type { KxLink } from './kx-link.js';
import type { Connect } from './reconnection.js';

const BUILD_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** Where somebody answered a while ago. */
const AGAIN_TIMEOUT_MS = 2_500;

export interface DialOptions {
  readonly dht: ApiEndpoint;
  readonly kx: KxLink;
  readonly hops: number;
  /** Whether the KX understands BUILD extensions. */
  readonly extensions: boolean;
  /** Address of the TUN device. */
  readonly localAddress: string;
}

/** A dial that came to nothing: how the call ends. */
export class DialFailure extends Error {
  constructor(
    readonly reason: EndReason,
    readonly detail?: string,
    cause?: unknown,
  ) {
    super(reason, { cause });
  }
}

/** A connection with somebody, and the way to further ones. */
export interface Dialled {
  readonly connection: ControlConnection;
  readonly again: Connect;
}

/** What a step comes to when it fails. */
type Step = <T>(reason: EndReason, work: Promise<T>) => Promise<T>;

/**
 * Connects `call` to `remote` as `local`. Throws DialFailure; 'hung-up' where `signal` broke it off.
 */
export async function dial(
  call: Call,
  local: PseudoIdentity,
  remote: Buffer,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Dialled> {
  const { localAddress } = options;
  const go = (kind: 'building' | 'connecting') => call.go({ kind });
  let bell = await findBell(remote, options, signal, go);
  // What was found may hold. Else, where the call depends on it, the tunnel is given up: everything is found anew, by another exchange
  // point where there is one.
  const reach = async (timeoutMs: number, stop: AbortSignal, isUrgent: boolean) => {
    try {
      return await knock(bell, local, remote, localAddress, timeoutMs, stop);
    } catch (error) {
      if (stop.aborted || !isUrgent) throw error;
      await destroy(remote, options);
      bell = await findBell(remote, options, stop, () => {}, bell.exchangePoint);
      return knock(bell, local, remote, localAddress, CONNECT_TIMEOUT_MS, stop);
    }
  };
  const connection = await reach(CONNECT_TIMEOUT_MS, signal, true);
  return { connection, again: (stop, isUrgent) => reach(AGAIN_TIMEOUT_MS, stop, isUrgent) };
}

/** Where somebody answers, through a tunnel that stands. */
interface Bell {
  /** Peer identity. */
  readonly exchangePoint: Buffer;
  readonly host: string;
  readonly port: number;
}

/** Builds towards the first record that is found, and anew where a newer one says something else meanwhile. */
async function findBell(
  remote: Buffer,
  options: DialOptions,
  signal: AbortSignal,
  go: (kind: 'building' | 'connecting') => void,
  lastOf?: Buffer,
): Promise<Bell> {
  const step = stepUntil(signal);
  const { first, newest } = search(options.dht, remote, signal);
  const record = await step('failed', first);
  if (record === null) throw new DialFailure('unknown-identity');
  go('building');
  let superseded = false;
  const isOff = () => signal.aborted || superseded;
  const built = step('not-reachable', build(remote, record, options, lastOf, isOff));
  built.catch(() => {});
  const last = (await step('failed', newest).catch(() => record)) ?? record;
  superseded = !isSame(last, record);
  if (superseded) await step('not-reachable', destroy(remote, options));
  const bell = superseded
    ? step(
        'not-reachable',
        build(remote, last, options, lastOf, () => signal.aborted),
      )
    : built;
  const found = await bell;
  go('connecting');
  return found;
}

/** What is being built ends, and is answered, before anything else is begun. */
async function destroy(remote: Buffer, { kx }: DialOptions): Promise<void> {
  (await kx.get()).destroy(remote);
}

/**
 * By one of the exchange points, chosen by chance, `lastOf` after the others; where that fails, by the next. Where the KX closed the connection
 * meanwhile, that says nothing of the exchange point: it is tried once more, over another connection.
 */
async function build(
  remote: Buffer,
  { voipPort, doors }: PresenceRecord,
  options: DialOptions,
  lastOf: Buffer | undefined,
  isOff: () => boolean,
): Promise<Bell> {
  let failure: unknown;
  let wasClosed = false;
  const order = inOrder(doors, lastOf);
  for (const door of order) {
    try {
      const client = await options.kx.get().catch((error) => {
        throw new DialFailure('failed', (error as Error).message, error);
      });
      const host = readyAddress(await buildTo(client, remote, door, options));
      return { host, port: voipPort, exchangePoint: door.exchangePoint.identity };
    } catch (error) {
      failure = error;
      // Whoever gives up ends what is being built, which answers it: no reason to begin with the next.
      // Nor is there where the KX cannot be reached.
      if (isOff() || error instanceof DialFailure) break;
      if (!wasClosed && error instanceof PeerError && error.code === 'kx-closed') {
        wasClosed = true;
        order.push(door);
      }
    }
  }
  throw failure;
}

function inOrder(doors: readonly Door[], lastOf: Buffer | undefined): Door[] {
  const start = randomInt(doors.length);
  const turned = [...doors.slice(start), ...doors.slice(0, start)];
  const isLast = ({ exchangePoint }: Door) => lastOf?.equals(exchangePoint.identity) === true;
  return [...turned.filter((door) => !isLast(door)), ...turned.filter(isLast)];
}

function buildTo(
  client: KxClient,
  remote: Buffer,
  { exchangePoint, tunnelKey }: Door,
  { hops, extensions }: DialOptions,
): Promise<TunnelReady> {
  const extension = encodeBuildExtension(extensions && tunnelKey !== null ? { tunnelKey } : {});
  const request = { hops, pseudoIdentity: remote, exchangePoint, extension, timeoutMs: BUILD_TIMEOUT_MS };
  return client.buildOutgoing(request);
}

function isSame(one: PresenceRecord, other: PresenceRecord): boolean {
  return encodePresenceRecord(one).equals(encodePresenceRecord(other));
}

async function knock(
  { host, port }: Bell,
  local: PseudoIdentity,
  remote: Buffer,
  localAddress: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ControlConnection> {
  const step = stepUntil(signal);
  const socket = await step('not-reachable', openSocket(host, port, localAddress, timeoutMs, signal));
  const leave = () => socket.destroy();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await step('not-reachable', ControlChannel.call(socket, local, remote));
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

function stepUntil(signal: AbortSignal): Step {
  return async (reason, work) => {
    try {
      return await orAborted(work, signal);
    } catch (error) {
      if (signal.aborted) throw new DialFailure('hung-up');
      throw error instanceof DialFailure ? error : new DialFailure(reason, (error as Error).message, error);
    }
  };
}

/** The mapped address in a READY (Spec 3.2.3): IPv4 first. */
function readyAddress({ ipv4, ipv6 }: { ipv4: Buffer; ipv6: Buffer }): string {
  if (ipv4.some((byte) => byte !== 0)) return [...ipv4].join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(ipv6.readUInt16BE(at).toString(16));
  return groups.join(':');
}

function openSocket(
  host: string,
  port: number,
  localAddress: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localAddress });
    const fail = (error: Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(error);
    };
    const late = new PeerError('timeout', 'the other party did not answer the connection');
    const timer = setTimeout(() => fail(late), timeoutMs);
    const abort = () => fail(new Error('aborted'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error('aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
