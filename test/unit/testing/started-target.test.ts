/** Role: modules that conformance starts itself, by a command and in a real container. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PeerError } from '../../../src/errors.js';
import { startTarget } from '../../../src/testing/conformance/started-target.js';
import { WireClient } from '../../../src/testing/conformance/wire-client.js';
import { runPeer } from '../../support/run-peer.js';

const IMAGE = 'localhost/peer-test/busybox';
/** A module that says back whatever it hears, at the port of its config. */
const ECHO = (config: string) => `nc -ll -p $(sed -n "/^\\[DHT/,/^PORT/s/^PORT = //p" ${config}) -e cat`;

const test = suite<{ directory: string; hostkey: string }>('started target');
test.before((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-started-'));
  const file = (name: string) => join(context.directory, name);
  // Containers of the test's own, with what works in a container too.
  writeFileSync(
    file('containers.conf'),
    '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
  );
  writeFileSync(
    file('storage.conf'),
    `[storage]\ndriver = "vfs"\ngraphroot = "${file('graph')}"\nrunroot = "${file('run')}"\n`,
  );
  process.env.CONTAINERS_CONF = file('containers.conf');
  process.env.CONTAINERS_STORAGE_CONF = file('storage.conf');
  mkdirSync(file('image/bin'), { recursive: true });
  execFileSync(
    'sh',
    [
      '-c',
      `cd ${file('image')} && cp "$(command -v busybox)" bin/busybox && bin/busybox --install bin && tar -c . | podman import - ${IMAGE}`,
    ],
    { stdio: 'pipe' },
  );
  // A hostkey takes seconds to make, and no check looks into this one.
  context.hostkey = file('hostkey.pem');
  writeFileSync(context.hostkey, '');
});
test.after(({ directory }) => {
  execFileSync('podman', ['rmi', '-f', IMAGE], { stdio: 'pipe' });
  rmSync(directory, { recursive: true });
});

const containers = () => execFileSync('podman', ['ps', '-aq'], { encoding: 'utf8' }).trim();
const options = (hostkey: string) => ({ module: 'dht' as const, hostkey, bootstrap: [], patienceMs: 30_000 });

/** Rejects where nobody listens. */
async function reached(port: number): Promise<void> {
  const client = await WireClient.connect('127.0.0.1', port, 5_000);
  client.destroy();
}

test('by a command: it listens, and is gone afterwards', async ({ hostkey }) => {
  const command = `busybox ${ECHO('{config}').replace('$(sed', '$(busybox sed').replace('-e cat', '-e busybox cat')}`;
  const target = await startTarget({ ...options(hostkey), command });
  await reached(target.port);
  await target.end();
  await reached(target.port).then(
    () => assert.unreachable('it still listens'),
    () => {},
  );
});

test('in a container: it listens, and is gone afterwards, though its process is deaf to SIGTERM', async ({
  hostkey,
}) => {
  const command = `${IMAGE} sh -c '${ECHO('{config}')}'`;
  const target = await startTarget({ ...options(hostkey), command, inContainer: true });
  assert.is(containers().split('\n').length, 1);
  await reached(target.port);
  await target.end();
  assert.is(containers(), '');
  await reached(target.port).then(
    () => assert.unreachable('it still listens'),
    () => {},
  );
});

test('an image that is not there, and one that ends at once, are told with what was said', async ({
  hostkey,
}) => {
  for (const [command, said] of [
    ['localhost/peer-test/none -c {config}', /none/],
    [`${IMAGE} sh -c 'echo broken; exit 3'`, /ended; it said: broken/],
  ] as const) {
    const error = await startTarget({ ...options(hostkey), command, inContainer: true }).then(
      () => null,
      (cause: unknown) => cause,
    );
    assert.instance(error, PeerError);
    assert.is((error as PeerError).code, 'target-unreachable');
    assert.match((error as PeerError).message, said);
  }
  assert.is(containers(), '');
});

test('the command line: checks a container, and ends it', async ({ hostkey }) => {
  const image = `${IMAGE} sh -c '${ECHO('{config}')}'`;
  const args = ['--container', image, '--hostkey', hostkey, 'dht/3.1.1', '--patience', '1'];
  const { code, stdout } = await runPeer('test', 'conformance', 'dht', ...args);
  assert.is(code, 1, stdout);
  assert.is(containers(), '');
  const both = await runPeer('test', 'conformance', 'dht', '--container', image, '--target', '127.0.0.1:1');
  assert.is(both.code, 2);
});

test.run();
