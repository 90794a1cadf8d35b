/**
 * Role: the incoming tunnel of an attacker that is its own exchange point, to which it splices callers of others.
 *
 * Invariants: it belongs to the same pseudo-identity and token all the time; where it is lost it is built again, by another relay.
 *
 * Not here: the splice (crates/kx/src/attacks.rs).
 */

import type { Attack } from '../attacker.js';
import type { LyingPeer, TunnelEvent } from './lying-peer.js';

export class OwnTunnel {
  readonly pseudoIdentity: Buffer;
  readonly #peer: LyingPeer;
  readonly #attack: Attack;
  readonly #token: Buffer;
  #tunnel: number | null = null;
  #ready = false;

  constructor(peer: LyingPeer, attack: Attack) {
    this.#peer = peer;
    this.#attack = attack;
    this.pseudoIdentity = attack.random.bytes(32);
    this.#token = attack.random.bytes(32);
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Builds it where there is none. Errors: 'config' where the config does not say how others reach this peer. */
  async keep(): Promise<void> {
    const { random, over } = this.#attack;
    const ways = this.#tunnel === null ? await this.#peer.others() : [];
    const way = ways[random.integer(Math.max(ways.length, 1))];
    if (way === undefined || over.aborted) return;
    this.#tunnel = this.#peer.newTunnel();
    const order = {
      pseudoIdentity: this.pseudoIdentity,
      path: [way, this.#peer.asOthersReachIt()],
      token: this.#token,
    };
    this.#peer.command({ type: 'buildIncoming', tunnel: this.#tunnel, ...order });
  }

  /** Whether an event is of this tunnel. */
  hear(event: TunnelEvent): boolean {
    if (event.tunnel !== this.#tunnel) return false;
    this.#ready = event.type === 'tunnelReady';
    if (this.#ready) return true;
    if (event.type !== 'tunnelFailed' && event.type !== 'tunnelClosed')
      this.#peer.command({ type: 'destroy', tunnel: event.tunnel });
    this.#tunnel = null;
    return true;
  }
}
