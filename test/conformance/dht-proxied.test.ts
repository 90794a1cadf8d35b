/**
 * A real `peer dht` behind `peer test proxy`, by configuration alone: the config file names the proxy's port, and the DHT is
 * told another one (Spec 3.4). API messages are delayed and doubled, and one connection is cut.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlClient } from '../../src/api/control-client.js';
import { dhtGet, dhtPut } from '../../src/api/dht-client.js';
import { loadConfig } from '../../src/config/config.js';
import { PeerError } from '../../src/errors.js';
import { freePort } from '../support/free-port.js';
import { testHostkeyPath } from '../support/hostkeys.js';
import { runPeer, startPeer } from '../support/run-peer.js';

const KEYS = 40;
const rules = {
  rules: [
    { name: 'slow', action: 'delay', delayMs: 2_000, probability: 0.05 },
    { name: 'twice', action: 'duplicate', probability: 0.05 },
    { name: 'cut-once', action: 'cut', place: 'inside', types: ['dht-get'], after: 10, times: 1 },
  ],
};

/** Until the DHT has its position, which takes a while on a busy machine. */
async function joined(socket: string): Promise<void> {
  const control = await ControlClient.connect(socket);
  for (;;) {
    const status = (await control.request('status')) as { state?: { node?: { state?: string } } };
    if (status.state?.node?.state === 'joined') break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  control.close();
}

const test = suite('proxied dht');

test('PUT and GET still work with messages delayed and doubled and a connection cut', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-proxied-'));
  const file = (name: string) => join(directory, name);
  const [proxyPort, dhtPort, overlayPort] = [await freePort(), await freePort(), await freePort()];
  writeFileSync(
    file('peer.ini'),
    `HOSTKEY = ${await testHostkeyPath(0)}\nSTATE_DIR = state\n` +
      `[DHT]\nHOSTNAME = 127.0.0.1\nPORT = ${proxyPort}\nOVERLAY_HOSTNAME = 127.0.0.1\nOVERLAY_PORT = ${overlayPort}\n`,
  );
  writeFileSync(file('rules.json'), JSON.stringify(rules));
  const daemon = startPeer('dht', '-c', file('peer.ini'), '--port', String(dhtPort));
  const proxy = startPeer(
    ...['test', 'proxy', 'dht', '--listen', `127.0.0.1:${proxyPort}`, '--target', `127.0.0.1:${dhtPort}`],
    ...['--rules', file('rules.json'), '--seed', '7', '--log', file('log.ndjson')],
    ...['--pcap', file('capture.pcapng'), '--control', file('proxy.sock')],
  );
  try {
    await Promise.all([daemon.until(/running/), proxy.until(/proxy of dht listens/)]);
    await joined(file('state/dht.sock'));
    const api = loadConfig(file('peer.ini')).dht;
    assert.is(api?.port, proxyPort);
    const endpoint = { host: '127.0.0.1', port: proxyPort };
    const keys = Array.from({ length: KEYS }, (_, index) => Buffer.alloc(32, index + 1));
    const contentOf = (key: Buffer) => Buffer.from(`content of ${key[0]}`);
    // An ERROR behind a delay would come later than 2 s.
    const put = (key: Buffer) => dhtPut(endpoint, key, contentOf(key), 600, 1, { errorWindowMs: 4_000 });
    await Promise.all(keys.map(put));
    let broken = 0;
    const getAgain = async (key: Buffer): Promise<Buffer[]> => {
      try {
        return await dhtGet(endpoint, key, { timeoutMs: 20_000, settleMs: 300 });
      } catch (error) {
        if (!(error instanceof PeerError) || error.code !== 'api-closed') throw error;
        broken += 1;
        return getAgain(key);
      }
    };
    const found = await Promise.all(keys.map(getAgain));
    for (const [index, key] of keys.entries()) {
      const contents = found[index] ?? [];
      assert.ok(contents.length > 0, `nothing found under key ${key[0]}`);
      assert.ok(contents.every((content) => content.equals(contentOf(key))));
    }
    assert.is(broken, 1);

    const lines = readFileSync(file('log.ndjson'), 'utf8').trim().split('\n');
    const log = lines.map((line) => JSON.parse(line));
    const applied = (rule: string) =>
      log.flatMap((line) => line.rules ?? []).filter((done) => done.rule === rule).length;
    assert.is(applied('cut-once'), 1);
    assert.ok(applied('slow') > 0, 'no message was delayed');
    assert.ok(applied('twice') > 0, 'no message was doubled');
    const listed = await runPeer('test', 'proxy-rules', '--control', file('proxy.sock'), 'list', '--json');
    const counts = JSON.parse(listed.stdout) as { rule: { name: string }; applied: number }[];
    assert.equal(
      counts.map((each) => [each.rule.name, each.applied]),
      rules.rules.map(({ name }) => [name, applied(name)]),
    );
    proxy.child.kill('SIGTERM');
    assert.is((await proxy.ended).code, 0);
  } finally {
    daemon.child.kill();
    proxy.child.kill();
    await Promise.all([daemon.ended, proxy.ended]);
    rmSync(directory, { recursive: true });
  }
});

test.run();
