/** Role: the command line as a person meets it: results, errors, exit codes, files. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../../src/config/config.js';
import { loadHostkey } from '../../../src/identity/hostkey.js';
import { parsePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { testHostkeyPath } from '../../support/hostkeys.js';
import { runPeer } from '../../support/run-peer.js';

interface Context {
  directory: string;
  config: string;
}

const cli = suite<Context>('peer');
cli.before.each(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'peer-cli-'));
  context.config = join(context.directory, 'peer.ini');
  writeFileSync(
    context.config,
    `HOSTKEY = ${await testHostkeyPath(0)}\nSTATE_DIR = state\n[DHT]\n[KX]\n[VOIP]\n`,
  );
});
cli.after.each(({ directory }) => rmSync(directory, { recursive: true }));

cli('init makes a peer that is closed to others, and never overwrites one', async ({ directory }) => {
  const home = join(directory, 'new');
  const args = [
    'init',
    home,
    '--address',
    '198.51.100.7',
    '--tun-ip',
    '10.9.0.1/24',
    '--bootstrap',
    'a:1',
    '--json',
  ];
  const made = await runPeer(...args);
  assert.is(made.code, 0, made.stderr);
  const report = JSON.parse(made.stdout) as Record<string, string>;
  const config = loadConfig(join(home, 'peer.ini'));
  assert.equal(config.dht?.overlayHosts, ['198.51.100.7']);
  assert.equal(config.kx?.tunIp, { address: '10.9.0.1', prefix: 24, family: 4 });
  assert.equal(config.dht?.hostlist, [{ host: 'a', port: 1 }]);
  const { identity, warnings } = await loadHostkey(config.hostkeyPath);
  assert.is(report.identity, identity.toString('hex'));
  assert.equal(warnings, []);
  for (const [file, mode] of Object.entries({
    'peer.ini': 0o600,
    'hostkey.pem': 0o600,
    state: 0o700,
    '.': 0o700,
  })) {
    assert.is(statSync(join(home, file)).mode & 0o777, mode, file);
  }
  const before = readFileSync(join(home, 'hostkey.pem'), 'utf8');
  const again = await runPeer(...args);
  assert.is(again.code, 1);
  assert.is(JSON.parse(again.stdout).error.code, 'exists');
  assert.is(readFileSync(join(home, 'hostkey.pem'), 'utf8'), before);
});
cli('init refuses choices that the config would refuse, before anything is made', async ({ directory }) => {
  const outcome = await runPeer('init', join(directory, 'new'), '--tun-ip', '10.0.0.0/8');
  assert.is(outcome.code, 1);
  assert.match(outcome.stderr, 'TUN_IP');
  assert.throws(() => statSync(join(directory, 'new')));
});
cli('id prints the peer identity', async ({ config }) => {
  const { identity } = await loadHostkey(await testHostkeyPath(0));
  assert.is((await runPeer('id', '-c', config)).stdout, `${identity.toString('hex')}\n`);
  const json = await runPeer('id', '-c', config, '--json');
  assert.equal(JSON.parse(json.stdout), { identity: identity.toString('hex') });
});
cli('id new, list and remove', async ({ config }) => {
  const made = await runPeer('id', 'new', 'work', '-c', config);
  assert.is(made.code, 0, made.stderr);
  assert.is(parsePseudoIdentity(made.stdout).length, 32);
  const listed = JSON.parse((await runPeer('id', 'list', '-c', config, '--json')).stdout) as { id: string }[];
  assert.equal(
    listed.map(({ id }) => id),
    [made.stdout.trim()],
  );
  assert.is((await runPeer('id', 'remove', 'work', '-c', config)).code, 0);
  const gone = await runPeer('id', 'remove', 'work', '-c', config);
  assert.is(gone.code, 1);
  assert.match(gone.stderr, /^peer: there is no pseudo-identity named work\n {2}\S/);
});
cli('errors of the config name file, line and parameter', async ({ config }) => {
  writeFileSync(config, 'HOSTKEY = k\n[KX]\nHOPS = 2\nPORT = x\n');
  const outcome = await runPeer('kx', '-c', config);
  assert.is(outcome.code, 1);
  assert.match(
    outcome.stderr,
    `peer: ${config}:3: [KX] HOPS: expected a whole number from 3 to 8, found "2"`,
  );
  assert.match(outcome.stderr, `peer: ${config}:4: [KX] PORT: expected a port number`);
});
cli('overriding parameters are checked like the file', async ({ config }) => {
  const outcome = await runPeer('kx', '-c', config, '--hops', '2', '--json');
  assert.is(outcome.code, 1);
  const { error } = JSON.parse(outcome.stdout) as { error: { code: string; message: string } };
  assert.is(error.code, 'config');
  assert.match(error.message, '--hops: [KX] HOPS');
});
cli('a module without its section does not start', async ({ config }) => {
  writeFileSync(config, 'HOSTKEY = k\n[KX]\n');
  const outcome = await runPeer('dht', '-c', config);
  assert.is(outcome.code, 1);
  assert.match(outcome.stderr, '[DHT]');
});
cli('status tells what does not run', async ({ config }) => {
  const outcome = await runPeer('status', '-c', config, '--json');
  assert.is(outcome.code, 1);
  const report = JSON.parse(outcome.stdout) as Record<string, { error: { code: string } }>;
  assert.equal(Object.keys(report), ['dht', 'kx', 'voip']);
  assert.is(report.kx?.error.code, 'not-running');
});
cli('wrong usage ends with 2, help with 0', async () => {
  for (const args of [['fly'], ['init'], ['dht'], ['id', 'new'], ['dht', '-c', 'x', '--nonsense']]) {
    const outcome = await runPeer(...args);
    assert.is(outcome.code, 2, args.join(' '));
    assert.ok(outcome.stderr.length > 0);
    assert.is(outcome.stdout, '');
  }
  for (const args of [[], ['--help'], ['kx', '--help'], ['--version']]) {
    assert.is((await runPeer(...args)).code, 0, args.join(' '));
  }
});
cli.run();
