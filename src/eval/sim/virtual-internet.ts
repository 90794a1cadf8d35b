/**
 * Role: carries datagrams and streams between the hosts of a simulation, in virtual time.
 *
 * Invariants: a datagram arrives once or not at all; nothing arrives at a host that is silent or gone. A datagram is
 * not copied: who has sent it does not touch it again.
 * Not here: how long a packet takes and which are lost (a Paths), what they mean.
 */
import type {
  ByteStream,
  Clock,
  DatagramTransport,
  Endpoint,
  StreamTransport,
} from '../../dht/environment.js';
import { VirtualStream } from './virtual-stream.js';

/** Where a host is: coordinates without unit, and the delay of its access in the same unit. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly access: number;
}

export const ORIGIN: Place = { x: 0, y: 0, access: 0 };

export interface Paths {
  /** Milliseconds that a packet takes one way. */
  delayMs(from: Place, to: Place): number;
  /** Whether the next datagram is lost. Streams lose nothing, as TCP does. */
  loses(): boolean;
}

export interface Receiver {
  handleDatagram(from: Endpoint, bytes: Buffer): void;
  handleStream(stream: ByteStream): void;
}

export class VirtualHost implements DatagramTransport, StreamTransport {
  receiver: Receiver | null = null;
  /** Takes nothing and says nothing while set. */
  silent = false;

  constructor(
    readonly internet: VirtualInternet,
    readonly endpoint: Endpoint,
    readonly place: Place,
  ) {}

  send(to: Endpoint, datagram: Buffer): void {
    this.internet.carry(this, to, datagram);
  }
  reaches(family: 4 | 6): boolean {
    return family === 4;
  }
  connect(to: Endpoint): ByteStream {
    return this.internet.openStream(this.endpoint, to);
  }
}

export class VirtualInternet {
  readonly #hosts = new Map<string, VirtualHost>();
  /** Each datagram on its way passes here; false loses it, and it may be altered. */
  filter: ((from: Endpoint, to: Endpoint, bytes: Buffer) => boolean) | null = null;

  constructor(
    readonly clock: Clock,
    readonly paths: Paths,
  ) {}

  /** A host at an IPv4 address; one that was there is gone. */
  attach(endpoint: Endpoint, place: Place): VirtualHost {
    const host = new VirtualHost(this, endpoint, place);
    this.detach(this.#hosts.get(endpoint.host) ?? null);
    this.#hosts.set(endpoint.host, host);
    return host;
  }

  detach(host: VirtualHost | null): void {
    if (!host) return;
    host.silent = true;
    host.receiver = null;
    if (this.#hosts.get(host.endpoint.host) === host) this.#hosts.delete(host.endpoint.host);
  }

  carry(from: VirtualHost, to: Endpoint, datagram: Buffer): void {
    if (from.silent || (this.filter && !this.filter(from.endpoint, to, datagram))) return;
    const host = this.#hosts.get(to.host);
    if (!host || this.paths.loses()) return;
    this.clock.setTimer(this.paths.delayMs(from.place, host.place), () => {
      if (!host.silent) host.receiver?.handleDatagram(from.endpoint, datagram);
    });
  }

  /** A stream from anywhere to a host. */
  openStream(from: Endpoint, to: Endpoint): ByteStream {
    const host = this.#hosts.get(to.host);
    const place = this.#hosts.get(from.host)?.place ?? ORIGIN;
    const delayMs = this.paths.delayMs(place, host?.place ?? ORIGIN);
    const [near, far] = VirtualStream.pair(this.clock, delayMs, from, to);
    this.clock.setTimer(delayMs, () => {
      if (host && !host.silent) host.receiver?.handleStream(far);
    });
    return near;
  }
}
