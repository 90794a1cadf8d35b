/**
 * Role: the packet engine as TypeScript sees it: commands down, events up.
 *
 * Invariants: no packet comes up here; events arrive in order and none is lost.
 *
 * Not here: what tunnels are for and which peers they take (src/kx).
 */

import type { KxOptions, KxRegistration } from '../../native/binding.js';
import { PeerError } from '../errors.js';
import { type Addon, addon } from './addon.js';

export type KxFailure =
  | 'timeout'
  | 'unreachable'
  | 'wrong-identity'
  | 'refused'
  | 'unknown-pseudo-identity'
  | 'taken'
  | 'destroyed'
  | 'exhausted'
  | 'idle'
  | 'invalid';

/** A peer on a path; identity 32 bytes, address an IP address. */
export interface Hop {
  readonly identity: Buffer;
  readonly address: string;
  readonly port: number;
}

/** About one tunnel; `tunnel` is the caller's number for it. */
export type TunnelCommand =
  | {
      readonly type: 'buildIncoming';
      readonly tunnel: number;
      readonly pseudoIdentity: Buffer;
      readonly path: readonly Hop[];
      readonly token: Buffer;
    }
  | {
      readonly type: 'buildOutgoing';
      readonly tunnel: number;
      readonly pseudoIdentity: Buffer;
      readonly path: readonly Hop[];
      readonly token: Buffer;
    }
  | { readonly type: 'rotate'; readonly tunnel: number; readonly path: readonly Hop[] }
  | { readonly type: 'destroy'; readonly tunnel: number }
  | SetExtension
  /** The tunnel ends by itself after so long without traffic; 0: never. */
  | { readonly type: 'reap'; readonly tunnel: number; readonly afterSeconds: number };

/**
 * What BUILD itself does not say: right before a build, and when something of it changes. What is absent stays as it was; an
 * older registration does not replace a newer one. The engine wipes the secrets that it is given.
 */
export interface SetExtension {
  readonly type: 'setExtension';
  readonly tunnel: number;
  /** X25519 tunnel key, 32 bytes: the secret half for an incoming tunnel, the public one for an outgoing tunnel. */
  readonly key?: Buffer;
  /** Incoming: the pseudo-identity's word for this owner; counts from the next circuit on. */
  readonly registration?: KxRegistration;
  /** Incoming: the only local port, TCP and UDP, that callers reach. */
  readonly port?: number;
}

export type EngineCommand =
  | TunnelCommand
  /** A constant rate towards these first hops and back that hides so many calls at once; 0: none. */
  | { readonly type: 'cover'; readonly calls: number; readonly peers: readonly Hop[] }
  /** Other keys and certificates of this peer's own, for handshakes from now on. */
  | { readonly type: 'renew'; readonly link: EngineKey; readonly hop: EngineKey };

export type EngineEvent =
  | {
      readonly type: 'tunnelReady';
      readonly tunnel: number;
      readonly address?: string;
      /** Milliseconds that each hop took to answer its handshake; 0 where that is not known. */
      readonly stepMs: readonly number[];
    }
  | {
      readonly type: 'tunnelFailed';
      readonly tunnel: number;
      readonly failure: KxFailure;
      readonly hop: number;
    }
  | {
      readonly type: 'rotationFailed';
      readonly tunnel: number;
      readonly failure: KxFailure;
      readonly hop: number;
    }
  /** Much of what goes in does not come out, or late, though the tunnel seems to be there. */
  | { readonly type: 'tunnelLossy'; readonly tunnel: number }
  | { readonly type: 'tunnelBroken'; readonly tunnel: number; readonly failure: KxFailure }
  | { readonly type: 'tunnelClosed'; readonly tunnel: number; readonly failure: KxFailure }
  | { readonly type: 'failed'; readonly reason: string };

export interface EngineKey {
  /** X25519, 32 bytes; wiped by the engine. */
  readonly secret: Buffer;
  /** 1074 bytes. */
  readonly certificate: Buffer;
}

export interface EngineOptions {
  /** Peer identity, 32 bytes. */
  readonly identity: Buffer;
  readonly link: EngineKey;
  readonly hop: EngineKey;
  readonly bind: readonly { readonly address: string; readonly port: number }[];
  /** Packet threads, 1 to 4. */
  readonly workers: number;
  readonly tun: {
    readonly name: string;
    readonly address: string;
    readonly prefix: number;
    /** What callers may reach; absent: anything. */
    readonly allow?: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[];
  } | null;
}

export interface EngineStatus {
  readonly counters: Readonly<Record<string, number>>;
  readonly links: number;
  readonly relayed: number;
  readonly registrations: number;
  readonly own: number;
  readonly flows: number;
  /** Datagrams and packets that the kernel would not take. */
  readonly sendFailures: number;
  /** Datagrams that came faster than they could be served. */
  readonly crowdedOut: number;
}

export type NativeEngine = InstanceType<Addon['KxEngine']>;

/** What the tunnel orchestration needs of an engine. */
export interface Engine {
  command(command: EngineCommand): void;
  status(): EngineStatus;
  stop(): void;
}

/**
 * Opens sockets and TUN device and starts the packet thread.
 *
 * Errors: 'engine-start' (an address is taken or not of this machine, no right to open a TUN device).
 */
export function startEngine(options: EngineOptions, onEvent: (event: EngineEvent) => void): Engine {
  return facadeOf(openEngine(addon().KxEngine, options, onEvent));
}

/** The same by the class of any addon that has it. */
export function openEngine(
  KxEngine: Addon['KxEngine'],
  options: EngineOptions,
  onEvent: (event: EngineEvent) => void,
): NativeEngine {
  const { tun, ...rest } = options;
  try {
    const native: NativeEngine = new KxEngine(
      {
        ...rest,
        bind: [...rest.bind],
        ...(tun === null ? {} : { tun: { ...tun, ...(tun.allow && { allow: [...tun.allow] }) } }),
      } as KxOptions,
      () => {
        for (const event of native.drain()) onEvent(event as EngineEvent);
      },
    );
    return native;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PeerError('engine-start', reason, { cause: error, remedy: remedyFor(reason) });
  }
}

export function facadeOf(native: NativeEngine): Engine {
  return {
    command: (command) => native.command(command as Parameters<typeof native.command>[0]),
    status: () => native.status(),
    stop: () => native.stop(),
  };
}

function remedyFor(reason: string): string {
  return reason.includes('TUN')
    ? 'Run as root or with CAP_NET_ADMIN, and see that /dev/net/tun is there; or remove TUN_IP to only relay.'
    : 'See that OUTREACH_HOSTNAME is an address of this machine and OUTREACH_PORT is free.';
}
