/**
 * Finding a first node: asks the addresses of the HOSTLIST who they are until one of them answers.
 *
 * A hello goes to every known address at each round; rounds come with growing, jittered gaps while `lonely()`.
 * Invariants: never stops while lonely; never sends more than one hello an address and round; a welcome counts only
 * with a token of ours. Not here: resolving names (the daemon gives a resolver), the join that follows.
 */
import { endpointKey } from './address.js';
import { BoundedMap } from './bounded-map.js';
import type { UnverifiedContact } from './contact.js';
import { helloDatagram } from './datagram.js';
import type { Clock, Endpoint, Random, TimerHandle } from './environment.js';

const FIRST_GAP_MS = 200;
const MAX_GAP_MS = 15_000;
/** How often we look whether we have become lonely again. */
const WATCH_MS = 5_000;

export interface BootstrapOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly send: (to: Endpoint, datagram: Buffer) => void;
  /** The addresses of the HOSTLIST, as they are now. */
  readonly resolve: () => Promise<readonly Endpoint[]>;
  readonly lonely: () => boolean;
  /** Somebody said who they are; nothing of it is proven yet. */
  readonly onWelcome: (contact: UnverifiedContact) => void;
}

export class Bootstrap {
  readonly #tokens = new BoundedMap<string, Endpoint>(256);
  #timer: TimerHandle | null = null;
  #gapMs = FIRST_GAP_MS;
  #closed = false;
  rounds = 0;

  constructor(readonly options: BootstrapOptions) {}

  start(): void {
    void this.#round();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) this.options.clock.clearTimer(this.#timer);
  }

  handleWelcome(token: Buffer, from: Endpoint, contact: UnverifiedContact): boolean {
    const id = token.toString('latin1');
    const asked = this.#tokens.peek(id);
    if (!asked) return false;
    this.#tokens.delete(id);
    // One who names no address of its own is where we reached it.
    const known = contact.ipv4 !== null || contact.ipv6 !== null;
    const at = known ? contact : { ...contact, [from.family === 4 ? 'ipv4' : 'ipv6']: asked.host };
    this.options.onWelcome(at);
    return true;
  }

  async #round(): Promise<void> {
    const { clock, random, resolve, lonely, send } = this.options;
    this.#timer = null;
    if (lonely()) {
      this.rounds += 1;
      const endpoints = await resolve().catch(() => []);
      if (this.#closed) return;
      const unique = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
      for (const endpoint of unique.values()) {
        const token = random.bytes(8);
        this.#tokens.set(token.toString('latin1'), endpoint);
        send(endpoint, helloDatagram(token));
      }
      const waitMs = this.#gapMs * (0.75 + random.fraction() / 2);
      this.#gapMs = Math.min(this.#gapMs * 1.6, MAX_GAP_MS);
      this.#timer = clock.setTimer(waitMs, () => void this.#round());
    } else {
      this.#gapMs = FIRST_GAP_MS;
      this.#timer = clock.setTimer(WATCH_MS, () => void this.#round());
    }
  }
}
