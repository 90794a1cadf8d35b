/**
 * Role: one tunnel as its orchestration sees it: whom it is for, how it stands, which peers carry it.
 *
 * Not here: what changes it (tunnels.ts).
 */

import { randomBytes } from 'node:crypto';
import type { ApiConnection } from '../api/server.js';
import type { KxFailure } from '../engine/kx.js';
import { type ApiMessage, MESSAGE_TYPE } from '../wire/message.js';
import type { Candidate } from './peer-pool.js';
import type { TunnelExtension } from './tunnel-extension.js';

export type Direction = 'incoming' | 'outgoing';

export interface Tunnel {
  id: number;
  readonly key: string;
  readonly direction: Direction;
  readonly pseudoIdentity: Buffer;
  readonly exchangePoint: Candidate;
  readonly hops: number;
  clients: Set<ApiConnection>;
  /** 32 bytes: shown to the exchange point, so that later circuits of this tunnel take over from earlier ones. */
  readonly token: Buffer;
  /** repairing: the engine keeps the flows and waits for another circuit; rebuilding: they are lost. */
  state: 'building' | 'ready' | 'repairing' | 'rebuilding';
  rotation: NodeJS.Timeout | null;
  address: string | undefined;
  /** Of the circuit that is being built, or was built last. */
  path: Candidate[];
  /** Of the circuit that carries the tunnel. */
  carrying: Candidate[];
  /** The engine was told to end it when it is not used. */
  reaped: boolean;
  /** What the client has told beyond BUILD itself. */
  readonly extension: TunnelExtension;
  /** Exchange point of the tunnel in whose place this one is built. */
  insteadOf: Buffer | null;
  /** How often it was asked for. */
  builds: number;
  attempts: number;
  startedAt: number;
}

/** A tunnel that is about to be built. `ownerToken`: of an incoming one; a caller's is drawn. It owns `extension`. */
export function newTunnel(
  key: string,
  direction: Direction,
  pseudoIdentity: Buffer,
  exchangePoint: Candidate,
  hops: number,
  ownerToken: Buffer | null,
  extension: TunnelExtension,
): Tunnel {
  return {
    id: 0,
    key,
    direction,
    pseudoIdentity,
    exchangePoint,
    token: ownerToken ?? randomBytes(32),
    hops,
    clients: new Set(),
    state: 'building',
    rotation: null,
    address: undefined,
    path: [],
    carrying: [],
    reaped: false,
    extension,
    insteadOf: null,
    builds: 1,
    attempts: 0,
    startedAt: Date.now(),
  };
}

/** That a tunnel cannot be served. */
export function errorFor(direction: Direction, pseudoIdentity: Buffer): ApiMessage {
  const requestType = direction === 'incoming' ? MESSAGE_TYPE.kxBuildIncoming : MESSAGE_TYPE.kxBuildOutgoing;
  return { type: 'kx-error', requestType, pseudoIdentity };
}

/** What the exchange point itself says is final; a bad relay is not. */
export function isFinal(failure: KxFailure, atExchangePoint: boolean): boolean {
  return (
    failure === 'unknown-pseudo-identity' || failure === 'taken' || (atExchangePoint && failure !== 'timeout')
  );
}

/** The one among `all` in whose place this one was built. */
export function replacedBy({ pseudoIdentity, insteadOf }: Tunnel, all: Iterable<Tunnel>): Tunnel | undefined {
  if (insteadOf === null) return undefined;
  return [...all].find(
    (other) =>
      other.direction === 'incoming' &&
      other.pseudoIdentity.equals(pseudoIdentity) &&
      other.exchangePoint.identity.equals(insteadOf),
  );
}

/**
 * The first hop that a tunnel had better have: that of the other end of a call of this peer with itself, its own before, or for one to
 * somebody that of an incoming one drawn by chance. So every call is seen on one link, and beside as many other tunnels as a call with oneself.
 * None after a try that came to nothing: the next one may fail through the same hop.
 */
export function firstFor(
  tunnel: Tunnel,
  all: Iterable<Tunnel>,
  randomBelow: (bound: number) => number,
): Buffer | undefined {
  if (tunnel.path.length > 0 && tunnel.path !== tunnel.carrying) return undefined;
  const others = [...all].filter(({ direction }) => direction !== tunnel.direction);
  const twin = others.find(
    ({ pseudoIdentity, exchangePoint }) =>
      pseudoIdentity.equals(tunnel.pseudoIdentity) &&
      exchangePoint.identity.equals(tunnel.exchangePoint.identity),
  );
  const known = twin?.carrying[0] ?? tunnel.carrying[0];
  if (known !== undefined || tunnel.direction === 'incoming') return known?.identity;
  const incoming = others.filter(({ carrying }) => carrying.length > 0);
  return incoming[randomBelow(Math.max(incoming.length, 1))]?.carrying[0]?.identity;
}
