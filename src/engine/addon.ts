/**
 * Loads the native addon, once, when it is first needed.
 *
 * Invariant: nothing outside `src/engine` imports this file. Not in it: what the addon does; each of its parts has a
 * façade of its own here.
 */

import { createRequire } from 'node:module';
import type * as Binding from '../../native/binding.js';
import { PeerError } from '../errors.js';

/** Everything that the addon exports. */
export type Addon = typeof Binding;

let loaded: Addon | undefined;

/**
 * The addon.
 *
 * @throws PeerError `ADDON_MISSING` where it was not built, or a library that it needs (libpulse) is not installed.
 */
export function addon(): Addon {
  if (loaded === undefined) {
    try {
      // Compiled, this file lies in dist/src/engine.
      loaded = createRequire(import.meta.url)('../../../native/binding.cjs') as Addon;
    } catch (cause) {
      throw new PeerError('ADDON_MISSING', 'the native addon cannot be loaded', {
        cause,
        remedy: 'run scripts/setup, which installs what is missing and builds it',
      });
    }
  }
  return loaded;
}
