/**
 * Role: hosts DHT nodes of ours in one process.
 *
 *   node dht-host.js              serves the process that has forked it (host-service.ts)
 *   node dht-host.js prepare N    makes the identities of N nodes and ends
 *
 * Not here: the nodes (dht-nodes.ts), what is measured (goals/).
 */

import { fileURLToPath } from 'node:url';
import { serveHost } from '../dht-network/host-service.js';
import { loadDhtIdentities } from './dht-identities.js';
import { OurNodes } from './dht-nodes.js';

const CACHE = fileURLToPath(new URL('../../../../.cache/goals', import.meta.url));

if (process.argv[2] === 'prepare') await loadDhtIdentities(CACHE, Number(process.argv[3]));
else serveHost(new OurNodes(CACHE));
