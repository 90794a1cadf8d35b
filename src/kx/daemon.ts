/**
 * Role: the KX module as a process: API server, engine, peer pool and tunnels put together.
 *
 * Not here: each of them; command line, signals and control socket (src/cli, src/api/daemon.ts).
 */

import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Daemon } from '../api/daemon.js';
import { ApiServer, KX_ACCEPTS } from '../api/server.js';
import type { Config, KxConfig } from '../config/config.js';
import { startEngine } from '../engine/kx.js';
import { PeerError } from '../errors.js';
import { loadHostkey } from '../identity/hostkey.js';
import type { Logger } from '../log.js';
import { Guards } from './guards.js';
import { keepKeysFresh, loadKxKeys } from './key-renewal.js';
import { PeerPool } from './peer-pool.js';
import { Tunnels } from './tunnels.js';

/** Starts the module. `start`: by what engine. Errors: 'config', 'hostkey', 'engine-start', 'listen'. */
export async function startKx(config: Config, log: Logger, start = startEngine): Promise<Daemon> {
  const { kx, dht } = requireSections(config);
  const hostkey = await loadHostkey(config.hostkeyPath);
  const loadKeys = () => loadKxKeys(config.stateDir, hostkey, Date.now());
  const { link, hop } = await loadKeys();
  const tokenSecret = createHash('sha256').update('peer kx tokens v1').update(link.secretKey).digest();
  const bind = bindAddresses(kx);
  const families = {
    ipv4: bind.some(({ address }) => isIP(address) === 4),
    ipv6: bind.some(({ address }) => isIP(address) === 6),
  };
  const guards = await Guards.load(config.stateDir);
  let tunnels: Tunnels | null = null;
  const engine = start(
    {
      identity: hostkey.identity,
      link: { secret: link.secretKey, certificate: link.certificate },
      hop: { secret: hop.secretKey, certificate: hop.certificate },
      bind,
      workers: kx.workers,
      tun: tunOptions(config, kx),
    },
    (event) => {
      // Without its packet thread this process is of no use: the supervisor starts a new one.
      if (event.type === 'failed') throw new PeerError('engine-failed', event.reason);
      tunnels?.handleEvent(event);
    },
  );
  const stopRenewal = keepKeysFresh(engine, [link.certificate, hop.certificate], loadKeys, log);
  const self = hostkey.identity;
  const pool = new PeerPool({ dht: { host: dht.host, port: dht.port }, self, families, log });
  const strictDiversity = kx.diversity === 'on';
  tunnels = new Tunnels({
    engine,
    pool,
    guards,
    self,
    families,
    hops: kx.hops,
    strictDiversity,
    rotateSeconds: kx.rotateSeconds,
    cover: kx.cover,
    tokenSecret,
    log,
  });
  const server = new ApiServer({
    module: 'kx',
    host: kx.host,
    port: kx.port,
    accepts: KX_ACCEPTS,
    log,
    onMessage: (client, message) => {
      if (message.type === 'kx-build-incoming' || message.type === 'kx-build-outgoing') {
        // Where extensions are off, a BUILD has 96 bytes and no others (Spec 3.2.1).
        if (message.extension.length > 0 && !kx.extensions) client.close('BUILD is longer than 96 bytes');
        else tunnels?.build(client, message);
      } else if (message.type === 'kx-destroy') {
        tunnels?.destroy(client, message.pseudoIdentity);
      }
    },
    onDisconnect: (client) => tunnels?.forgetClient(client),
  });
  const { port } = await server.listen().catch((error: unknown) => {
    engine.stop();
    throw error;
  });
  log.info({ api: `${kx.host}:${port}`, outreach: bind.map(({ address }) => address) }, 'KX is up');
  return {
    status: () => ({
      identity: self.toString('hex'),
      api: server.counters,
      engine: engine.status(),
      tunnels: tunnels?.status(),
      peersKnown: pool.size,
    }),
    close: async () => {
      stopRenewal();
      tunnels?.close();
      await server.close();
      engine.stop();
    },
  };
}

function requireSections(config: Config): { kx: KxConfig; dht: NonNullable<Config['dht']> } {
  const { kx, dht } = config;
  if (kx !== null && dht !== null) return { kx, dht };
  const missing = kx === null ? '[KX]' : '[DHT]';
  throw new PeerError('config', `${config.file}: section ${missing} is missing; the KX needs it`, {
    remedy: `Add ${missing} to the file; \`peer init\` writes an example.`,
  });
}

/** Literal addresses are listened on as they stand; a name stands for every address of this machine. */
function bindAddresses(kx: KxConfig): { address: string; port: number }[] {
  const literal = kx.outreachHosts.filter((host) => isIP(host) !== 0);
  const named = literal.length < kx.outreachHosts.length;
  const addresses = named ? ['0.0.0.0', '::'] : [...new Set(literal)];
  return addresses.map((address) => ({ address, port: kx.outreachPort }));
}

function tunOptions(config: Config, kx: KxConfig) {
  if (kx.tunIp === null) return null;
  const { address, prefix } = kx.tunIp;
  const base = { name: kx.tunName, address, prefix };
  if (kx.tunAllow !== null) {
    return { ...base, allow: kx.tunAllow.map(({ proto, port }) => ({ protocol: proto, port })) };
  }
  if (config.voip === null) return base;
  const { port } = config.voip;
  return {
    ...base,
    allow: [
      { protocol: 'tcp' as const, port },
      { protocol: 'udp' as const, port },
    ],
  };
}
