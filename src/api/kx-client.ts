/**
 * Role: one lasting connection to a KX module, on which tunnels are built and destroyed (Spec 3.2).
 *
 * Invariants: a READY carries no request type, so one with addresses answers the oldest waiting BUILD
 * OUTGOING of its pseudo-identity, one without them the oldest BUILD INCOMING; every build settles.
 *
 * Not here: reconnection, choice of exchange points (src/voip).
 */

import { PeerError } from '../errors.js';
import { type ApiMessage, MESSAGE_TYPE, type PeerAddress } from '../wire/message.js';
import { ApiClient, type ConnectOptions } from './client.js';

export interface BuildRequest {
  /** Least number of hops. */
  readonly hops: number;
  readonly pseudoIdentity: Buffer;
  readonly exchangePoint: PeerAddress;
  /** Default: none, the strict 96 bytes. */
  readonly extension?: Buffer;
  readonly timeoutMs: number;
}

/** The address that stands for the other side; all zero for an incoming tunnel. */
export interface TunnelReady {
  readonly ipv4: Buffer;
  readonly ipv6: Buffer;
}

type BuildType = 'kx-build-incoming' | 'kx-build-outgoing';

interface Waiting {
  readonly type: BuildType;
  readonly pseudoIdentity: Buffer;
  readonly settle: (result: TunnelReady | PeerError) => void;
}

export class KxClient {
  /** Settles when the connection is gone; never rejects. */
  readonly closed: Promise<PeerError | null>;
  readonly #client: ApiClient;
  readonly #waiting = new Set<Waiting>();
  readonly #onUnsolicited: (message: ApiMessage) => void;

  private constructor(client: ApiClient, onUnsolicited: (message: ApiMessage) => void) {
    this.#client = client;
    this.#onUnsolicited = onUnsolicited;
    this.closed = client.closed;
    client.onMessage((message) => this.#onMessage(message));
    void client.closed.then((failure) => {
      const error = new PeerError('kx-closed', 'the KX closed the connection', {
        cause: failure ?? undefined,
      });
      for (const waiting of [...this.#waiting]) waiting.settle(error);
    });
  }

  /** `onUnsolicited` sees messages that answer no build, such as the ERROR of an unknown DESTROY. */
  static async connect(
    options: ConnectOptions & { readonly onUnsolicited?: (message: ApiMessage) => void },
  ): Promise<KxClient> {
    return new KxClient(await ApiClient.connect(options), options.onUnsolicited ?? (() => {}));
  }

  get isOpen(): boolean {
    return this.#client.isOpen;
  }

  /** Spec 3.2.1. Errors: 'kx-error' (the KX answered with ERROR), 'timeout', 'kx-closed'. */
  buildIncoming(request: BuildRequest): Promise<TunnelReady> {
    return this.#build('kx-build-incoming', request);
  }

  /** Spec 3.2.2. Errors as {@link buildIncoming}. */
  buildOutgoing(request: BuildRequest): Promise<TunnelReady> {
    return this.#build('kx-build-outgoing', request);
  }

  /** Spec 3.2.4: all tunnels of this pseudo-identity are gone afterwards. Has no answer. */
  destroy(pseudoIdentity: Buffer): void {
    this.#client.send({ type: 'kx-destroy', pseudoIdentity });
  }

  close(): void {
    this.#client.close();
  }

  #build(type: BuildType, request: BuildRequest): Promise<TunnelReady> {
    const { hops, pseudoIdentity, exchangePoint, extension = Buffer.alloc(0), timeoutMs } = request;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        type,
        pseudoIdentity,
        settle: (result) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          if (result instanceof PeerError) reject(result);
          else resolve(result);
        },
      };
      const timer = setTimeout(
        () => waiting.settle(new PeerError('timeout', `the KX built no tunnel in ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.#waiting.add(waiting);
      if (!this.#client.send({ type, hops, pseudoIdentity, exchangePoint, extension })) {
        waiting.settle(new PeerError('kx-closed', 'the connection to the KX is closed'));
      }
    });
  }

  #onMessage(message: ApiMessage): void {
    if (message.type === 'kx-ready') {
      const { ipv4, ipv6 } = message;
      const outgoing = ipv4.some((byte) => byte !== 0) || ipv6.some((byte) => byte !== 0);
      const waiting = this.#oldest(
        outgoing ? 'kx-build-outgoing' : 'kx-build-incoming',
        message.pseudoIdentity,
      );
      if (waiting !== undefined) waiting.settle({ ipv4, ipv6 });
      else this.#onUnsolicited(message);
      return;
    }
    const type = message.type === 'kx-error' ? BUILD_OF_REQUEST[message.requestType] : undefined;
    const waiting =
      message.type === 'kx-error' && type !== undefined
        ? this.#oldest(type, message.pseudoIdentity)
        : undefined;
    if (waiting !== undefined) waiting.settle(new PeerError('kx-error', 'the KX could not build the tunnel'));
    else this.#onUnsolicited(message);
  }

  #oldest(type: BuildType, pseudoIdentity: Buffer): Waiting | undefined {
    for (const waiting of this.#waiting) {
      if (waiting.type === type && waiting.pseudoIdentity.equals(pseudoIdentity)) return waiting;
    }
    return undefined;
  }
}

const BUILD_OF_REQUEST: Readonly<Record<number, BuildType>> = {
  [MESSAGE_TYPE.kxBuildIncoming]: 'kx-build-incoming',
  [MESSAGE_TYPE.kxBuildOutgoing]: 'kx-build-outgoing',
};
