/**
 * Role: keeps this peer's link and hop certificates valid while the KX runs.
 *
 * Invariants: the engine hears of new certificates days before the old ones expire; a failure is told and tried again.
 *
 * Not here: when a certificate is too old and how one is made (identity/module-key.ts).
 */

import type { Engine } from '../engine/kx.js';
import type { Hostkey } from '../identity/hostkey.js';
import { loadModuleKey, type ModuleKey } from '../identity/module-key.js';
import type { Logger } from '../log.js';

const CHECK_EVERY_MS = 6 * 3_600_000;

export interface KxKeys {
  readonly link: ModuleKey;
  readonly hop: ModuleKey;
}

/** The keys of both purposes; `now`: Unix milliseconds. Errors: as loadModuleKey. */
export async function loadKxKeys(stateDir: string, hostkey: Hostkey, now: number): Promise<KxKeys> {
  const seconds = Math.floor(now / 1000);
  return {
    link: await loadModuleKey(stateDir, 'kx-link', hostkey, seconds),
    hop: await loadModuleKey(stateDir, 'kx-hop', hostkey, seconds),
  };
}

/** Renews where it is time; the certificates that the engine has from now on, by which the next call compares. */
export async function renewKeys(
  engine: Pick<Engine, 'command'>,
  known: readonly Buffer[],
  load: () => Promise<KxKeys>,
): Promise<readonly Buffer[]> {
  const { link, hop } = await load();
  const certificates = [link.certificate, hop.certificate];
  if (certificates.every((certificate, index) => known[index]?.equals(certificate))) return known;
  engine.command({
    type: 'renew',
    link: { secret: link.secretKey, certificate: link.certificate },
    hop: { secret: hop.secretKey, certificate: hop.certificate },
  });
  return certificates;
}

/** Looks again and again; returns what ends it. */
export function keepKeysFresh(
  engine: Pick<Engine, 'command'>,
  first: readonly Buffer[],
  load: () => Promise<KxKeys>,
  log: Logger,
): () => void {
  let known = first;
  const look = async () => {
    try {
      known = await renewKeys(engine, known, load);
    } catch (error) {
      log.error({ err: error }, 'the certificates of the KX could not be renewed; trying again later');
    }
  };
  const timer = setInterval(() => void look(), CHECK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
