/**
 * Role: an engine that can be told to lie, by the addon of the attackers (crates/attacks).
 *
 * Invariants: the addon is no part of the program: it is built for tests alone, and loaded only where an attacker is run.
 *
 * Not here: what attackers there are (src/testing/attackers/kx).
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerError } from '../errors.js';
import type { Addon } from './addon.js';
import { type Engine, type EngineEvent, type EngineOptions, facadeOf, openEngine } from './kx.js';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** What it is to lie about; of a hundred cells that pass, `percent`. */
export interface LieOrder {
  readonly lie: 'none' | 'drop' | 'delay' | 'replay' | 'modify' | 'tag' | 'flood' | 'malformed' | 'hijack';
  readonly percent: number;
  /** 32 bits. */
  readonly seed: number;
  /** delay */
  readonly delayMs?: number;
  /** flood, malformed: cells on each link. */
  readonly perSecond?: number;
  /** hijack: whom the callers of others get, 32 bytes. */
  readonly pseudoIdentity?: Buffer;
}

/** A lie under way. */
export interface Lie {
  /** What was done so far: `cells_dropped` and so on. */
  done(): Readonly<Record<string, number>>;
}

export interface LyingEngine extends Engine {
  /** From now on, in place of the lie before. */
  lie(order: LieOrder): Lie;
}

interface AttackAddon extends Pick<Addon, 'KxEngine'> {
  readonly KxLie: new (engine: object, order: LieOrder) => Lie;
}

let loaded: AttackAddon | undefined;

/**
 * The same as startEngine, with an engine that lies when it is told to.
 *
 * Errors: 'attacks-missing' (the addon was not built), 'engine-start'.
 */
export function startLyingEngine(options: EngineOptions, onEvent: (event: EngineEvent) => void): LyingEngine {
  const { KxEngine, KxLie } = attackAddon();
  const native = openEngine(KxEngine, options, onEvent);
  return { ...facadeOf(native), lie: (order) => new KxLie(native, order) };
}

function attackAddon(): AttackAddon {
  if (loaded === undefined) {
    const target = process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target');
    const addon = { exports: {} };
    try {
      process.dlopen(addon, join(target, 'release', 'libpeer_attacks.so'));
    } catch (cause) {
      throw new PeerError(
        'attacks-missing',
        'the engine of the attackers is not built: it is not part of peer',
        {
          cause,
          remedy: 'build it with: scripts/setup --test (or cargo build --release -p peer-attacks)',
        },
      );
    }
    loaded = addon.exports as AttackAddon;
  }
  return loaded;
}
