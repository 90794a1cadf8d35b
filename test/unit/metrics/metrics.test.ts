/** Role: what goes out as metrics, what never does, and who may read them. */

import { request } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Metrics } from '../../../src/metrics/metrics.js';
import { serveMetrics } from '../../../src/metrics/metrics-server.js';

const test = suite('metrics');

/** As the modules say it, shortened. */
const statuses = {
  dht: {
    uptimeSeconds: 60,
    state: {
      node: {
        contacts: 7,
        store: { keys: 3, bytes: 900 },
        privateLookups: { gets: 41, puts: 42 },
        counters: {
          dropMalformed: 5,
          onionsMade: 43,
          newOne: 55,
          onionsRelayed: 6,
          internalErrors: -1,
          odd: 'text',
        },
      },
      requests: { gets: 44 },
      api: { connectionsOpen: 2, messagesReceived: 45, connectionsRefused: 1, violations: { malformed: 4 } },
    },
  },
  kx: {
    uptimeSeconds: 61,
    state: {
      engine: {
        links: 5,
        relayed: 9,
        own: 46,
        counters: {
          datagrams_forged: 8,
          packets_from_tun: 47,
          flows_lossy: 48,
          cover_sent: 49,
          tunnel_cells_refused: 50,
          circuits_slow: 53,
          new_one: 54,
        },
      },
      tunnels: { tunnels: 51, ready: 52 },
    },
  },
  voip: null,
};

test('modules, stores, links and attacks are told', async () => {
  const lines = (await new Metrics().text(statuses)).split('\n');
  for (const line of [
    'peer_up{module="dht"} 1',
    'peer_up{module="voip"} 0',
    'peer_uptime_seconds{module="kx"} 61',
    'peer_dht_contacts 7',
    'peer_dht_stored_bytes 900',
    'peer_kx_links 5',
    'peer_kx_relayed_circuits 9',
    'peer_events_total{module="dht",event="dropMalformed"} 5',
    'peer_events_total{module="dht",event="onionsRelayed"} 6',
    'peer_events_total{module="dht",event="connectionsRefused"} 1',
    'peer_events_total{module="kx",event="datagrams_forged"} 8',
    'peer_api_violations_total{module="dht",reason="malformed"} 4',
  ])
    assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`);
});

test('nothing of the own calls, tunnels and look-ups is told', async () => {
  const text = await new Metrics().text(statuses);
  for (let value = 41; value <= 55; value += 1) assert.not.match(text, new RegExp(` ${value}$`, 'm'));
});

test('each time it is as the modules are then; what is no status gives nothing', async () => {
  const metrics = new Metrics();
  await metrics.text(statuses);
  assert.match(await metrics.text(statuses), /^peer_events_total\{module="dht",event="dropMalformed"\} 5$/m);
  const later = await metrics.text({ dht: { state: [null, 'x'] }, kx: 7 });
  assert.not.match(later, /dropMalformed|peer_up\{module="voip"/);
  assert.match(later, /^peer_up\{module="dht"\} 1$/m);
});

test('only on loopback, only by its name, only /metrics', async () => {
  const serve = (host: string) => serveMetrics(host, 0, async () => 'the text\n', 'text/plain');
  for (const host of ['0.0.0.0', '10.0.0.1', '::', 'example.org'])
    await serve(host).then(
      () => assert.unreachable(host),
      (error) => assert.is(error.code, 'metrics-address'),
    );
  const server = await serve('127.0.0.1');
  const get = (path: string, host: string, method = 'GET') =>
    new Promise<{ code: number | undefined; body: string }>((resolve, reject) => {
      const asking = request(
        { host: '127.0.0.1', port: server.port, path, method, headers: { host } },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            body += part;
          });
          response.on('end', () => resolve({ code: response.statusCode, body }));
        },
      );
      asking.on('error', reject).end();
    });
  assert.equal(await get('/metrics', `127.0.0.1:${server.port}`), { code: 200, body: 'the text\n' });
  assert.is((await get('/metrics', `localhost:${server.port}`)).code, 200);
  assert.is((await get('/metrics', 'evil.example')).code, 421);
  assert.is((await get('/', '127.0.0.1')).code, 404);
  assert.is((await get('/metrics', '127.0.0.1', 'POST')).code, 405);
  await server.close();
});

test.run();
