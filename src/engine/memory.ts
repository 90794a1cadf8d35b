/** What a process gives back of its memory. Not here: when (src/dht/daemon.ts). */
import { addon } from './addon.js';

/**
 * Gives memory of the C heap that is free back to the system. Datagrams and other buffers are there; once a burst of them
 * has been collected, their room stays with the process otherwise. Takes some milliseconds.
 * @throws PeerError `ADDON_MISSING`
 */
export function releaseMemory(): void {
  addon().releaseMemory();
}
