/** Role: the config file: what it means, and how its errors read. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configText } from '../../../src/cli/init-template.js';
import { loadConfig, type Overrides, parseConfig } from '../../../src/config/config.js';
import { PeerError } from '../../../src/errors.js';

const FILE = '/etc/peer/peer.ini';
const load = (lines: string[], overrides?: Overrides) => parseConfig(lines.join('\n'), FILE, overrides);
const errorsOf = (lines: string[], overrides?: Overrides): string[] => {
  try {
    load(lines, overrides);
    return [];
  } catch (error) {
    assert.instance(error, PeerError);
    assert.is((error as PeerError).code, 'config');
    return (error as PeerError).message.split('\n');
  }
};

const meaning = suite('config');
meaning('the example of the specification (Spec 1.1)', () => {
  const config = load([
    'HOSTKEY = /hostkey.pem',
    '[DHT]',
    'PORT = 3086',
    'HOSTNAME = 127.0.0.1',
    'OVERLAY_HOSTNAME = 131.14.66.12, 10.0.0.9',
    'HOSTLIST = tollmaster.net.in.tum.de',
  ]);
  assert.is(config.hostkeyPath, '/hostkey.pem');
  assert.equal(config.dht?.overlayHosts, ['131.14.66.12', '10.0.0.9']);
  assert.equal(config.dht?.hostlist, [{ host: 'tollmaster.net.in.tum.de', port: 3000 }]);
  assert.is(config.kx, null);
  assert.is(config.voip, null);
  assert.equal(config.warnings, []);
});
meaning('empty sections get the documented defaults', () => {
  const { dht, kx, voip } = load(['HOSTKEY = k', '[DHT]', '[KX]', '[VOIP]']);
  assert.is(dht?.port, 3086);
  assert.is(dht?.overlayPort, 3000);
  assert.is(dht?.privateLookups, true);
  assert.equal(dht?.overlayHosts, ['127.0.0.1']);
  assert.is(kx?.port, 3087);
  assert.is(kx?.outreachPort, 3001);
  assert.is(kx?.hops, 3);
  assert.is(kx?.extensions, true);
  assert.is(kx?.tunIp, null);
  assert.is(kx?.tunAllow, null);
  assert.is(voip?.port, 5060);
  assert.is(voip?.audioServer, 'auto');
  assert.is(voip?.audioInput, null);
  assert.is(voip?.echoCancellation, true);
});
meaning('the addresses of one module stand in for those of the other', () => {
  const first = load(['HOSTKEY=k', '[DHT]', '[KX]', 'OUTREACH_HOSTNAME = 198.51.100.7']);
  assert.equal(first.dht?.overlayHosts, ['198.51.100.7']);
  const second = load(['HOSTKEY=k', '[DHT]', 'OVERLAY_HOSTNAME = a.example, 2001:db8::1', '[KX]']);
  assert.equal(second.kx?.outreachHosts, ['a.example', '2001:db8::1']);
});
meaning('hosts with and without ports, in all forms', () => {
  const { dht } = load([
    'HOSTKEY=k',
    '[DHT]',
    'HOSTLIST = a, b:1, 10.0.0.1:2, 2001:db8::1, [2001:db8::2]:3, [::1]',
  ]);
  assert.equal(dht?.hostlist, [
    { host: 'a', port: 3000 },
    { host: 'b', port: 1 },
    { host: '10.0.0.1', port: 2 },
    { host: '2001:db8::1', port: 3000 },
    { host: '2001:db8::2', port: 3 },
    { host: '::1', port: 3000 },
  ]);
});
meaning('TUN_IP is IPv4 or IPv6', () => {
  const tunIp = (value: string) => load(['HOSTKEY=k', '[KX]', `TUN_IP = ${value}`]).kx?.tunIp;
  assert.equal(tunIp('10.20.0.1/16'), { address: '10.20.0.1', prefix: 16, family: 4 });
  assert.equal(tunIp('fd00::1/64'), { address: 'fd00::1', prefix: 64, family: 6 });
});
meaning('TUN_ALLOW, COVER and DIVERSITY', () => {
  const { kx } = load([
    'HOSTKEY=k',
    '[KX]',
    'TUN_ALLOW = tcp:5060, UDP:5061',
    'COVER = no',
    'DIVERSITY = yes',
  ]);
  assert.equal(kx?.tunAllow, [
    { proto: 'tcp', port: 5060 },
    { proto: 'udp', port: 5061 },
  ]);
  assert.is(kx?.cover, 0);
  assert.is(kx?.diversity, 'on');
  const cover = (value: string) => load(['HOSTKEY=k', '[KX]', `COVER = ${value}`]).kx?.cover;
  assert.equal([cover('yes'), cover('0'), cover('1'), cover('5')], [2, 0, 1, 5]);
});
meaning('relative paths start at the config file', () => {
  const config = load(['HOSTKEY = keys/k.pem', 'STATE_DIR = state']);
  assert.is(config.hostkeyPath, '/etc/peer/keys/k.pem');
  assert.is(config.stateDir, '/etc/peer/state');
});
meaning('the command line overrides the file', () => {
  const config = load(['HOSTKEY = k', '[DHT]', 'PORT = 1', '[KX]', 'PORT = 2', 'HOPS = 3'], {
    module: 'kx',
    hostname: '0.0.0.0',
    port: '99',
    hops: '5',
    tunIp: '10.1.0.1/24',
    logLevel: 'debug',
    hostkey: '/x/other.pem',
  });
  assert.is(config.dht?.port, 1);
  assert.is(config.kx?.port, 99);
  assert.is(config.kx?.host, '0.0.0.0');
  assert.is(config.kx?.hops, 5);
  assert.is(config.kx?.tunIp?.prefix, 24);
  assert.is(config.logLevel, 'debug');
  assert.is(config.hostkeyPath, '/x/other.pem');
});
meaning('the sections of others are ignored, unknown parameters warned about', () => {
  const config = load(['HOSTKEY=k', '[DHT]', 'PROT = 3086', '[OTHER]', 'ANY = thing']);
  assert.equal(config.warnings, [`${FILE}:3: [DHT] PROT: unknown parameter, ignored`]);
});
meaning('the config is frozen through and through', () => {
  const config = load(['HOSTKEY=k', '[DHT]', 'HOSTLIST = a']);
  assert.ok(
    Object.isFrozen(config) && Object.isFrozen(config.dht) && Object.isFrozen(config.dht?.hostlist[0]),
  );
});
meaning('comments, blank lines, quotes, a byte order mark and CRLF are fine', () => {
  const text =
    '\uFEFF# comment\r\n; another\r\n\r\nHOSTKEY = "/k.pem"\r\n[VOIP]\r\nAUDIO_INPUT = "a;b" ; more\r\n';
  const config = parseConfig(text, FILE);
  assert.is(config.hostkeyPath, '/k.pem');
});
meaning('what peer init writes is read without warnings', () => {
  const text = configText({
    addresses: ['198.51.100.7', '2001:db8::7'],
    apiHost: '127.0.0.1',
    dhtPort: '1',
    overlayPort: '2',
    kxPort: '3',
    outreachPort: '4',
    bootstrap: ['a:5'],
    tunIp: '10.20.0.1/16',
    tunName: 'tun7',
    voipPort: '6',
  });
  const config = parseConfig(text, FILE);
  assert.equal(config.warnings, []);
  assert.is(config.kx?.tunName, 'tun7');
  // Every parameter that stands there as a comment must be known, too.
  const all = parseConfig(
    text.replace(/^# ((?!PARAMETER)[A-Z_]+ = ?.+)$/gm, '$1').replace(/^# ((?:AUDIO|RING)_\w+ =)$/gm, '$1 x'),
    FILE,
  );
  assert.equal(all.warnings, []);
  assert.is(all.voip?.audioInput, 'x');
});
meaning.run();

const errors = suite('config errors');
errors('name file, line, section, parameter and what is expected', () => {
  assert.equal(errorsOf(['HOSTKEY = k', '', '[KX]', 'HOPS = 2']), [
    `${FILE}:4: [KX] HOPS: expected a whole number from 3 to 8, found "2"`,
  ]);
});
errors('are reported all at once', () => {
  const lines = [
    '[DHT]',
    'PORT = x',
    'REPLICATION = 0',
    '[KX]',
    'TUN_IP = 10.0.0.0/16',
    'DIVERSITY = perhaps',
  ];
  const found = errorsOf(lines);
  assert.is(found.length, 5);
  for (const where of [
    'HOSTKEY',
    ':2: [DHT] PORT',
    ':3: [DHT] REPLICATION',
    ':5: [KX] TUN_IP',
    ':6: [KX] DIVERSITY',
  ]) {
    assert.ok(
      found.some((line) => line.includes(where)),
      where,
    );
  }
});
errors('of the command line name the option', () => {
  assert.match(
    errorsOf(['HOSTKEY=k', '[DHT]'], { module: 'dht', port: '70000' })[0] ?? '',
    /^--port: \[DHT\] PORT: /,
  );
});
errors('a parameter given twice', () => {
  assert.match(
    errorsOf(['HOSTKEY=k', '[DHT]', 'PORT=1', 'PORT=2'])[0] ?? '',
    ':4: [DHT] PORT: given already on line 3',
  );
});
errors('a line that is no parameter', () => {
  assert.match(errorsOf(['HOSTKEY=k', 'rubbish'])[0] ?? '', `${FILE}:2: expected "PARAMETER = VALUE"`);
});
errors('values that are not what is expected', () => {
  const wrong = {
    DHT: [
      'HOSTNAME = a b',
      'OVERLAY_HOSTNAME =',
      'HOSTLIST = a:0',
      'HOSTLIST = :::',
      'PRIVATE_LOOKUPS = maybe',
    ],
    KX: ['TUN_IP = 10.0.0.1', 'TUN_IP = 10.0.0.1/31', 'TUN_IP = 10.0.0.255/24', 'TUN_IP = fd00::1/127'],
    VOIP: [
      ...['PORT = 0', 'BITRATE = 1', 'AUDIO_INPUT =', 'RING_SECONDS = 4', 'ECHO_CANCELLATION = perhaps'],
      ...['AUDIO_SERVER = alsa', 'NOTIFY = yes', 'RING_DEVICE =', 'TONES = loud'],
    ],
  };
  const more = [
    'TUN_NAME = a-name-that-is-too-long',
    'TUN_ALLOW = icmp:1',
    'COVER = 17',
    'ROTATE = 0',
    'HOPS = 3.5',
  ];
  for (const [section, lines] of [...Object.entries(wrong), ['KX', more] as const]) {
    for (const line of lines) assert.is(errorsOf(['HOSTKEY=k', `[${section}]`, line]).length, 1, line);
  }
});
errors('a file that cannot be read', () => {
  assert.throws(
    () => loadConfig('/nonexistent/peer.ini'),
    (error: unknown) => error instanceof PeerError && error.code === 'config' && error.remedy !== undefined,
  );
});
errors.run();
