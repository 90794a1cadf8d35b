/**
 * Role: has the identities of the nodes of a measurement made beforehand, outside of what is measured.
 *
 * Not here: how they are made (sim/dht-identities.ts).
 */

import { fileURLToPath } from 'node:url';
import { PeerError } from '../../errors.js';
import { runCommand } from './command.js';
import type { Tell } from './goal.js';

const DHT_HOST = fileURLToPath(new URL('../sim/dht-host.js', import.meta.url));

/** Errors: 'dht-identities', with the log. */
export async function prepareIdentities(tell: Tell, count: number): Promise<void> {
  tell(`${count} identities; making them takes minutes the first time, and again after some weeks …`);
  const args = [DHT_HOST, 'prepare', String(count)];
  const { code, log } = await runCommand('dht-identities', process.execPath, args);
  if (code !== 0) throw new PeerError('dht-identities', `the identities could not be made; see ${log}`);
}
