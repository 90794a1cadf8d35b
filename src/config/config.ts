/**
 * Role: the one INI file for all modules (Spec 1.1) as one frozen, validated Config.
 *
 * Invariants: every error names file, line, section, parameter and what is expected, and all are reported
 * at once; sections of others are ignored, parameters that nobody knows are warned about; relative paths
 * are relative to the config file; command-line values override the file and are checked like it.
 *
 * Not here: whether files and addresses that the config names exist.
 */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { PeerError } from '../errors.js';
import { LOG_LEVELS, type LogLevel } from '../log.js';
import { type IniSource, parseIni, quote } from './ini-source.js';
import * as kinds from './values.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface TunAddress {
  readonly address: string;
  /** Length of the network mask in bits. */
  readonly prefix: number;
  readonly family: 4 | 6;
}

export interface TunAllow {
  readonly proto: 'tcp' | 'udp';
  readonly port: number;
}

/** Caps on peers of one address prefix: 'auto' leaves private and loopback prefixes out. */
export type Diversity = 'auto' | 'on' | 'off';

/** Section [DHT] (Spec 3.1). */
export interface DhtConfig {
  readonly host: string;
  readonly port: number;
  /** Addresses or names of this peer; at least one. */
  readonly overlayHosts: readonly string[];
  readonly overlayPort: number;
  /** Peers to start from. */
  readonly hostlist: readonly HostPort[];
  /** Where a PUT says 0. */
  readonly replication: number;
  readonly privateLookups: boolean;
  readonly diversity: Diversity;
}

/** Section [KX] (Spec 3.2). */
export interface KxConfig {
  readonly host: string;
  readonly port: number;
  /** Whether this KX understands BUILD extensions. */
  readonly extensions: boolean;
  /** What may be delivered from tunnels; `null`: decided by extension and [VOIP]. */
  readonly tunAllow: readonly TunAllow[] | null;
  /** Addresses or names of this peer; at least one. */
  readonly outreachHosts: readonly string[];
  readonly outreachPort: number;
  /** `null`: no TUN device, this KX only relays. */
  readonly tunIp: TunAddress | null;
  readonly tunName: string;
  /** Hops of a tunnel, the exchange point among them; at least 3 (Spec 3.2). */
  readonly hops: number;
  /** Mean time between tunnel rotations. */
  readonly rotateSeconds: number;
  /** Calls' worth of cover traffic towards the guard; 0 is none. */
  readonly cover: number;
  /** Packet threads, 1 to MAX_WORKERS. */
  readonly workers: number;
  readonly diversity: Diversity;
}

/** Which sound server: 'auto' is PipeWire itself where it is the sound server and its backend is there. */
export type AudioServer = 'auto' | 'pulse' | 'pipewire';

/** Whether the desktop is told of calls: 'hidden' is that there is one, and not whose. */
export type NotifyMode = 'no' | 'hidden' | 'full';

/** Section [VOIP]. */
export interface VoipConfig {
  /** On TUN_IP, for control (TCP) and voice (UDP). */
  readonly port: number;
  readonly audioServer: AudioServer;
  /** Name of the device; `null`: the system's default. */
  readonly audioInput: string | null;
  readonly audioOutput: string | null;
  /** Where it rings; `null`: where one speaks. */
  readonly ringDevice: string | null;
  /** Whether it rings, and a caller hears how it goes. */
  readonly tones: boolean;
  /** Whether echo, noise and level are seen to; not needed with a headset. */
  readonly echoCancellation: boolean;
  /** Bits per second of Opus, constant. */
  readonly bitrate: number;
  readonly fakeCallsPerDay: number;
  readonly ringSeconds: number;
  readonly notify: NotifyMode;
  /** Calls that are remembered; 0: none. */
  readonly callLog: number;
}

export interface Config {
  /** Absolute path of the config file. */
  readonly file: string;
  readonly hostkeyPath: string;
  readonly stateDir: string;
  readonly logLevel: LogLevel;
  readonly dht: DhtConfig | null;
  readonly kx: KxConfig | null;
  readonly voip: VoipConfig | null;
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

export type ModuleName = 'dht' | 'kx' | 'voip';

/** Values of the command line, as typed there. `hostname` and `port` apply to `module`. */
export interface Overrides {
  readonly module?: ModuleName;
  readonly hostname?: string;
  readonly port?: string;
  readonly hostkey?: string;
  readonly stateDir?: string;
  readonly logLevel?: string;
  readonly overlayPort?: string;
  readonly outreachPort?: string;
  readonly hops?: string;
  readonly tunIp?: string;
  readonly tunName?: string;
}

export const DEFAULT_OVERLAY_PORT = 3000;
/** Spec 3.1.5. */
export const DEFAULT_OUTREACH_PORT = 3001;
/** Packet threads of a KX (crates/kx/src/shard.rs). */
const MAX_WORKERS = 4;
/** Spec 3.2: the minimal hop count of a tunnel. */
const MIN_HOPS = 3;
const MAX_HOPS = 8;

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '': ['HOSTKEY', 'STATE_DIR', 'LOG_LEVEL'],
  DHT: [
    ...['PORT', 'HOSTNAME', 'OVERLAY_HOSTNAME', 'OVERLAY_PORT', 'HOSTLIST', 'REPLICATION', 'PRIVATE_LOOKUPS'],
    'DIVERSITY',
  ],
  KX: [
    ...[
      'PORT',
      'HOSTNAME',
      'EXTENSIONS',
      'TUN_ALLOW',
      'OUTREACH_HOSTNAME',
      'OUTREACH_PORT',
      'TUN_IP',
      'TUN_NAME',
    ],
    ...['HOPS', 'ROTATE', 'COVER', 'WORKERS', 'DIVERSITY'],
  ],
  VOIP: [
    ...['PORT', 'AUDIO_INPUT', 'AUDIO_OUTPUT', 'ECHO_CANCELLATION', 'BITRATE', 'FAKE_CALLS', 'RING_SECONDS'],
    ...['CALL_LOG', 'AUDIO_SERVER', 'NOTIFY', 'RING_DEVICE', 'TONES'],
  ],
};

/** Throws PeerError 'config' with one line for each error. */
export function loadConfig(path: string, overrides: Overrides = {}): Config {
  const file = resolve(path);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    throw new PeerError('config', `cannot read the config file ${file}: ${(error as Error).message}`, {
      cause: error,
      remedy: 'give the path of a config file by -c, or make one with: peer init DIR',
    });
  }
  return parseConfig(source, file, overrides);
}

/** As {@link loadConfig} for a text that is at hand; `file` is its absolute path. */
export function parseConfig(source: string, file: string, overrides: Overrides = {}): Config {
  const reader = new Reader(parseIni(source), file, overrideValues(overrides));
  const base = dirname(file);
  const hostkey = reader.required(null, 'HOSTKEY', {
    ...kinds.text,
    expected: 'the path of the hostkey (PEM)',
  });
  const stateDir = reader.optional(null, 'STATE_DIR', kinds.text, defaultStateDir());
  const logLevel = reader.optional(null, 'LOG_LEVEL', kinds.oneOf(LOG_LEVELS), 'info');
  const config: Config = {
    file,
    hostkeyPath: resolve(base, hostkey),
    stateDir: resolve(base, stateDir),
    logLevel,
    dht: reader.has('DHT') ? readDht(reader) : null,
    kx: reader.has('KX') ? readKx(reader) : null,
    voip: reader.has('VOIP') ? readVoip(reader) : null,
    warnings: reader.warnings(),
  };
  reader.throwErrors();
  return deepFreeze(config);
}

function readDht(reader: Reader): DhtConfig {
  const host = reader.optional('DHT', 'HOSTNAME', kinds.host, '127.0.0.1');
  return {
    host,
    port: reader.optional('DHT', 'PORT', kinds.listenPort, 3086),
    // A peer's two modules usually share their addresses: either parameter stands in for the other.
    overlayHosts: reader.hosts('DHT', 'OVERLAY_HOSTNAME') ??
      reader.hosts('KX', 'OUTREACH_HOSTNAME') ?? [host],
    overlayPort: reader.optional('DHT', 'OVERLAY_PORT', kinds.port, DEFAULT_OVERLAY_PORT),
    hostlist: reader.optional('DHT', 'HOSTLIST', kinds.listOf(kinds.hostPort(DEFAULT_OVERLAY_PORT)), []),
    replication: reader.optional('DHT', 'REPLICATION', kinds.integer(1, 255), 5),
    privateLookups: reader.optional('DHT', 'PRIVATE_LOOKUPS', kinds.yesNo, true),
    diversity: reader.diversity('DHT'),
  };
}

function readKx(reader: Reader): KxConfig {
  const host = reader.optional('KX', 'HOSTNAME', kinds.host, '127.0.0.1');
  return {
    host,
    port: reader.optional('KX', 'PORT', kinds.listenPort, 3087),
    extensions: reader.optional('KX', 'EXTENSIONS', kinds.yesNo, true),
    tunAllow: reader.optional('KX', 'TUN_ALLOW', kinds.listOf(kinds.tunAllow), null),
    outreachHosts: reader.hosts('KX', 'OUTREACH_HOSTNAME') ??
      reader.hosts('DHT', 'OVERLAY_HOSTNAME') ?? [host],
    outreachPort: reader.optional('KX', 'OUTREACH_PORT', kinds.port, DEFAULT_OUTREACH_PORT),
    tunIp: reader.optional('KX', 'TUN_IP', kinds.cidr, null),
    tunName: reader.optional('KX', 'TUN_NAME', kinds.deviceName, 'peer0'),
    hops: reader.optional('KX', 'HOPS', kinds.integer(MIN_HOPS, MAX_HOPS), MIN_HOPS),
    rotateSeconds: reader.optional('KX', 'ROTATE', kinds.integer(1, 86_400, 'seconds'), 600),
    cover: reader.optional('KX', 'COVER', kinds.cover, 2),
    workers: reader.optional('KX', 'WORKERS', kinds.integer(1, MAX_WORKERS), 1),
    diversity: reader.diversity('KX'),
  };
}

function readVoip(reader: Reader): VoipConfig {
  return {
    port: reader.optional('VOIP', 'PORT', kinds.port, 5060),
    audioServer: reader.optional('VOIP', 'AUDIO_SERVER', kinds.oneOf(['auto', 'pulse', 'pipewire']), 'auto'),
    audioInput: reader.optional('VOIP', 'AUDIO_INPUT', kinds.text, null),
    audioOutput: reader.optional('VOIP', 'AUDIO_OUTPUT', kinds.text, null),
    ringDevice: reader.optional('VOIP', 'RING_DEVICE', kinds.text, null),
    tones: reader.optional('VOIP', 'TONES', kinds.yesNo, true),
    echoCancellation: reader.optional('VOIP', 'ECHO_CANCELLATION', kinds.yesNo, true),
    bitrate: reader.optional('VOIP', 'BITRATE', kinds.integer(16_000, 64_000, 'bits per second'), 48_000),
    fakeCallsPerDay: reader.optional('VOIP', 'FAKE_CALLS', kinds.integer(0, 1_000, 'calls a day'), 0),
    ringSeconds: reader.optional('VOIP', 'RING_SECONDS', kinds.integer(5, 600, 'seconds'), 45),
    notify: reader.optional('VOIP', 'NOTIFY', kinds.oneOf(['no', 'hidden', 'full']), 'hidden'),
    callLog: reader.optional('VOIP', 'CALL_LOG', kinds.integer(0, 10_000, 'calls'), 100),
  };
}

interface OverrideValue {
  readonly value: string;
  readonly option: string;
}

/** Reads parameters of known kinds and gathers what is wrong with them. */
class Reader {
  readonly #errors = new Set<string>();

  constructor(
    readonly source: IniSource,
    readonly file: string,
    readonly overrides: ReadonlyMap<string, OverrideValue>,
  ) {
    for (const { line, text } of source.errors) this.#errors.add(`${file}:${line}: ${text}`);
  }

  has(section: string): boolean {
    return this.source.sections.has(section);
  }

  optional<T, D>(section: string | null, name: string, kind: kinds.Kind<T>, fallback: D): T | D {
    const override = this.overrides.get(`${section ?? ''}.${name}`);
    const given = this.source.parameters(section).get(name);
    if (override === undefined && given === undefined) return fallback;
    const value = override?.value ?? given?.value ?? '';
    const parsed = kind.parse(value);
    if (parsed !== undefined) return parsed;
    const where = override === undefined ? `${this.file}:${given?.line ?? 0}` : override.option;
    this.#errors.add(`${where}: ${label(section, name)}: expected ${kind.expected}, found ${quote(value)}`);
    return fallback;
  }

  required(section: string | null, name: string, kind: kinds.Kind<string>): string {
    const value = this.optional(section, name, kind, null);
    const given = this.source.parameters(section).has(name) || this.overrides.has(`${section ?? ''}.${name}`);
    if (value === null && !given) {
      this.#errors.add(
        `${this.file}:1: ${label(section, name)}: expected ${kind.expected}, but it is not given`,
      );
    }
    return value ?? '';
  }

  hosts(section: string, name: string): readonly string[] | null {
    return this.optional(section, name, kinds.someOf(kinds.host), null);
  }

  diversity(section: string): Diversity {
    const value = this.optional(
      section,
      'DIVERSITY',
      kinds.oneOf(['auto', 'yes', 'on', 'no', 'off']),
      'auto',
    );
    return value === 'auto' ? 'auto' : value === 'yes' || value === 'on' ? 'on' : 'off';
  }

  warnings(): string[] {
    return Object.entries(KNOWN).flatMap(([key, names]) => {
      const section = key === '' ? null : key;
      return [...this.source.parameters(section)]
        .filter(([name]) => !names.includes(name))
        .map(
          ([name, { line }]) => `${this.file}:${line}: ${label(section, name)}: unknown parameter, ignored`,
        );
    });
  }

  throwErrors(): void {
    if (this.#errors.size === 0) return;
    throw new PeerError('config', [...this.#errors].join('\n'), {
      remedy: this.#errors.size === 1 ? 'correct this parameter' : 'correct these parameters',
    });
  }
}

function overrideValues(overrides: Overrides): Map<string, OverrideValue> {
  const section = overrides.module?.toUpperCase();
  const table: [keyof Overrides, string, string | undefined][] = [
    ['hostkey', '--hostkey', '.HOSTKEY'],
    ['stateDir', '--state-dir', '.STATE_DIR'],
    ['logLevel', '--log-level', '.LOG_LEVEL'],
    ['overlayPort', '--overlay-port', 'DHT.OVERLAY_PORT'],
    ['outreachPort', '--outreach-port', 'KX.OUTREACH_PORT'],
    ['hops', '--hops', 'KX.HOPS'],
    ['tunIp', '--tun-ip', 'KX.TUN_IP'],
    ['tunName', '--tun-name', 'KX.TUN_NAME'],
    ['hostname', '--hostname', section === undefined ? undefined : `${section}.HOSTNAME`],
    ['port', '--port', section === undefined ? undefined : `${section}.PORT`],
  ];
  const values = new Map<string, OverrideValue>();
  for (const [field, option, target] of table) {
    const value = overrides[field];
    if (value !== undefined && target !== undefined) {
      // A path on the command line is relative to where it is typed, not to the config file.
      const isPath = field === 'hostkey' || field === 'stateDir';
      values.set(target, { value: isPath ? resolve(value) : value, option });
    }
  }
  return values;
}

function label(section: string | null, name: string): string {
  return section === null ? name : `[${section}] ${name}`;
}

/** XDG base directories: $XDG_STATE_HOME/peer, else ~/.local/state/peer. */
function defaultStateDir(): string {
  const xdg = process.env.XDG_STATE_HOME;
  return xdg?.startsWith('/') ? resolve(xdg, 'peer') : resolve(homedir(), '.local/state/peer');
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
