/**
 * Role: who an attacker is in the DHT: the identity of its config, and as many further ones as it wants.
 *
 * Invariants: every position costs the whole puzzle, as everybody's; what is found is kept in STATE_DIR. The hostkeys of further
 * identities share primes (hostkey-pool.ts): that is how an attacker comes by many.
 *
 * Not here: what is done with them (hostile-peer.ts).
 */

import { join } from 'node:path';
import type { Config, DhtConfig } from '../../../config/config.js';
import type { Contact } from '../../../dht/contact.js';
import { noiseChannel } from '../../../dht/noise-channel.js';
import { ownAddresses } from '../../../dht/own-addresses.js';
import { loadPosition } from '../../../dht/position-store.js';
import type { OnionCipher } from '../../../dht/private/onion-cipher.js';
import { sodiumOnionCipher } from '../../../dht/private/sodium-onion-cipher.js';
import type { SecureChannel } from '../../../dht/secure-channel.js';
import { readDhtCertificate } from '../../../engine/dht-certificate.js';
import { ikKey } from '../../../engine/ik-handshake.js';
import { searchPuzzle } from '../../../engine/puzzle.js';
import { PeerError } from '../../../errors.js';
import { pooledHostkeys } from '../../../eval/hostkey-pool.js';
import { type Hostkey, loadHostkey } from '../../../identity/hostkey.js';
import { loadModuleKey } from '../../../identity/module-key.js';
import { ensurePrivateDirectory } from '../../../private-files.js';

export interface HostileIdentity {
  readonly hostkey: Hostkey;
  /** As it announces itself; its port is OVERLAY_PORT and its number. */
  readonly contact: Contact;
  readonly channel: SecureChannel;
  readonly onions: OnionCipher;
}

/** Errors: 'config' where there is no [DHT]. */
export function dhtOf(config: Config): DhtConfig {
  if (config.dht === null)
    throw new PeerError('config', `${config.file} has no section [DHT]`, {
      remedy: 'give the addresses of the attacker as OVERLAY_HOSTNAME, and whom to attack as HOSTLIST',
    });
  return config.dht;
}

/** The one of the config. Null where it was over before the position was found. Errors: those of its files, 'config'. */
export async function ownIdentity(config: Config, over: AbortSignal): Promise<HostileIdentity | null> {
  return identityOf(config, await loadHostkey(config.hostkeyPath), config.stateDir, 0, over);
}

/** So many further identities, each as soon as its position is found; fewer where it was over before. */
export async function* moreIdentities(
  config: Config,
  count: number,
  over: AbortSignal,
): AsyncGenerator<HostileIdentity> {
  const directory = join(config.stateDir, 'attacker');
  await ensurePrivateDirectory(config.stateDir);
  await ensurePrivateDirectory(directory);
  const hostkeys = await pooledHostkeys(join(directory, 'primes.txt'), count);
  for (const [index, hostkey] of hostkeys.entries()) {
    const found = await identityOf(config, hostkey, join(directory, `${index + 1}`), index + 1, over);
    if (found === null) return;
    yield found;
  }
}

async function identityOf(
  config: Config,
  hostkey: Hostkey,
  stateDir: string,
  number: number,
  over: AbortSignal,
): Promise<HostileIdentity | null> {
  const dht = dhtOf(config);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const { identity } = hostkey;
  const key = await loadModuleKey(stateDir, 'dht', hostkey, nowSeconds);
  const found = await loadPosition(stateDir, identity, nowSeconds, searchPuzzle, () => over.aborted);
  if (found === null) return null;
  const port = dht.overlayPort + number;
  const { ipv4, ipv6 } = await ownAddresses(dht.overlayHosts, port);
  return {
    hostkey,
    contact: {
      ...{ id: identity.toString('hex'), identity, key: key.publicKey, ...found },
      ...{ ipv4, ipv6, port },
    },
    channel: noiseChannel(key, key.certificate, { ikKey, readDhtCertificate }),
    onions: sodiumOnionCipher(key),
  };
}
