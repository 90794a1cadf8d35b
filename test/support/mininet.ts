/** Role: whether mininet is to be had for a test. Not here: what is tested with it (test/e2e). */

import { PeerError } from '../../src/errors.js';
import { requireMininet } from '../../src/eval/mininet/mininet-hosts.js';
import { skip } from './skip.js';

/** Ends the test that calls it as skipped, with the reason, where there is no mininet. */
export function needMininet(): void {
  try {
    requireMininet();
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    skip(error.message);
  }
}
