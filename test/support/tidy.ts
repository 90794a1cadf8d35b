/**
 * Role: holds the rules of the house that no linter knows: `node dist/test/support/tidy.js`.
 *
 * Invariants: every rule names the file, the line and what is expected; all are reported at once.
 *
 * Not here: formatting and lints (biome, rustfmt, clippy).
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MAX_LINES = 450;

/** Files of src/ that stand in no room: anybody but wire may use them. */
const ROOT_ROOM = '(root)';
const BASE = [ROOT_ROOM, 'wire', 'identity', 'config', 'api'];

/** Who may import whom, by the first folder below src/ (more particular paths first). */
const TS_ARROWS: readonly (readonly [string, readonly string[]])[] = [
  ['wire', []],
  ['config', [ROOT_ROOM]],
  ['identity', [ROOT_ROOM]],
  ['api', [ROOT_ROOM, 'wire', 'config']],
  ['engine', [ROOT_ROOM, 'native']],
  ['dht', BASE],
  ['kx', [...BASE, 'engine']],
  ['voip', [...BASE, 'engine']],
  ['metrics', [ROOT_ROOM, 'config']],
  // What lies on real sockets is what lies in the simulator: it is made of the same parts.
  ['testing/attackers', [...BASE, 'testing', 'dht', 'kx', 'engine', 'eval', 'eval/sim']],
  ['testing', BASE],
  ['eval/sim', [...BASE, 'eval', 'dht', 'kx', 'engine', 'voip']],
  // Real calls are drawn as fake ones are.
  ['eval/lookalike', [...BASE, 'eval', 'voip']],
  ['eval', [...BASE, 'eval/lookalike']],
  ['cli', [...BASE, 'engine', 'dht', 'kx', 'voip', 'testing', 'testing/attackers', 'eval', 'metrics']],
  [ROOT_ROOM, []],
];

/** Workspace crates that each crate may depend on (tests apart). */
const RUST_ARROWS: Readonly<Record<string, readonly string[]>> = {
  'crates/cell': [],
  'crates/netem': [],
  'crates/puzzle': [],
  'crates/audio-backend': [],
  'crates/audio': ['audio-backend'],
  'crates/audio-pipewire': ['audio-backend'],
  'crates/noise': [],
  'crates/kx': ['cell', 'noise'],
  'crates/pump': ['kx', 'cell'],
  // What loads a relay speaks its protocol.
  'crates/lab': ['netem', 'pump', 'kx', 'cell', 'audio'],
  // An addon like native, of the engine alone.
  'crates/attacks': ['pump', 'kx'],
  native: ['pump', 'audio', 'kx', 'netem', 'noise', 'puzzle'],
};
const WORKSPACE_CRATES = [
  'puzzle',
  'noise',
  'cell',
  'kx',
  'pump',
  'audio',
  'audio-backend',
  'audio-pipewire',
  'netem',
  'lab',
  'peer-attacks',
  'peer-native',
];

interface Fault {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

export function tidy(files: readonly string[], read: (file: string) => string): Fault[] {
  return files.flatMap((file) => [
    ...checkArrows(file, read),
    ...checkCargo(file, read),
    ...checkLockFile(file, read),
    ...checkShape(file, read),
  ]);
}

function room(path: string): string {
  const below = posix.relative('src', path);
  if (!below.includes('/')) return ROOT_ROOM;
  return TS_ARROWS.find(([name]) => below.startsWith(`${name}/`))?.[0] ?? below.split('/')[0] ?? '';
}

function checkArrows(file: string, read: (file: string) => string): Fault[] {
  if (!/^src\/.*\.tsx?$/.test(file)) return [];
  const from = room(file);
  const allowed = TS_ARROWS.find(([name]) => name === from)?.[1];
  if (allowed === undefined) return [{ file, line: 1, text: `src/${from} is no room of the house` }];
  const faults: Fault[] = [];
  for (const [index, text] of read(file).split('\n').entries()) {
    const specifier = /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*'(\.[^']+)'/.exec(text)?.[1];
    if (specifier === undefined) continue;
    const target = posix.join(posix.dirname(file), specifier);
    const to = target.startsWith('src/') ? room(target) : (target.split('/')[0] ?? '');
    if (to !== from && !allowed.includes(to)) {
      faults.push({ file, line: index + 1, text: `${from} must not import ${to} (${specifier})` });
    }
  }
  return faults;
}

function checkCargo(file: string, read: (file: string) => string): Fault[] {
  const allowed = file.endsWith('/Cargo.toml') ? RUST_ARROWS[posix.dirname(file)] : undefined;
  if (allowed === undefined) {
    const known = !/^(crates\/[^/]+|native)\/Cargo\.toml$/.test(file);
    return known ? [] : [{ file, line: 1, text: 'this crate is no room of the house' }];
  }
  const faults: Fault[] = [];
  let table = '';
  for (const [index, text] of read(file).split('\n').entries()) {
    table = /^\[([^\]]+)\]/.exec(text)?.[1] ?? table;
    const name =
      /^([\w-]+)(?:\.workspace)?\s*=/.exec(text)?.[1] ?? /^\[dependencies\.([\w-]+)\]/.exec(text)?.[1];
    const counts =
      table === 'dependencies' || table.startsWith('dependencies.') || table === 'build-dependencies';
    if (counts && name !== undefined && WORKSPACE_CRATES.includes(name) && !allowed.includes(name)) {
      faults.push({ file, line: index + 1, text: `${posix.dirname(file)} must not depend on ${name}` });
    }
  }
  return faults;
}

function checkLockFile(file: string, read: (file: string) => string): Fault[] {
  const faults: Fault[] = [];
  const expect = (test: (line: string) => boolean, text: string) => {
    for (const [index, line] of read(file).split('\n').entries()) {
      if (test(line)) faults.push({ file, line: index + 1, text });
    }
  };
  if (file.endsWith('package-lock.json')) {
    expect((line) => /"resolved":\s*"http/.test(line), 'a lock file must not name download addresses');
  }
  if (file.endsWith('Cargo.lock')) {
    const index = 'registry+https://github.com/rust-lang/crates.io-index';
    expect((line) => line.startsWith('source = ') && !line.includes(index), 'only crates.io is a source');
  }
  if (file === '.npmrc' || file.endsWith('/.npmrc')) {
    expect((line) => /registry\s*=|_auth/.test(line), 'the project must not choose a registry');
  }
  return faults;
}

const GENERATED = /^native\/binding\.(d\.ts|cjs)$/;
const SOURCE = /^(src|test|benches|crates|native|fuzz|scripts|types|bin)\/.*\.(tsx?|js|rs)$|^scripts\/[^.]+$/;

function checkShape(file: string, read: (file: string) => string): Fault[] {
  if (!SOURCE.test(file) || GENERATED.test(file)) return [];
  const faults: Fault[] = [];
  const lines = read(file).split('\n');
  if (lines.length > MAX_LINES + 1) {
    faults.push({
      file,
      line: MAX_LINES,
      text: `${lines.length - 1} lines; a file has at most ${MAX_LINES}`,
    });
  }
  const base = posix.basename(file);
  if (/^(index|utils?|helpers?|misc|common)\.(tsx?|rs)$/.test(base)) {
    faults.push({ file, line: 1, text: 'a file is named for one noun; no barrels, no utils' });
  }
  if (file.startsWith('src/') && !/^[a-z0-9]+(-[a-z0-9]+)*\.tsx?$/.test(base)) {
    faults.push({ file, line: 1, text: 'TypeScript files have names in kebab-case' });
  }
  if (/^src\/.*\.tsx?$/.test(file) && !lines[0]?.startsWith('/**')) {
    faults.push({ file, line: 1, text: 'a file opens with its role, its invariants and what is not in it' });
  }
  if (/^(crates|native)\/.*src\/.*\.rs$/.test(file) && !lines[0]?.startsWith('//!')) {
    faults.push({ file, line: 1, text: 'a file opens with its role, its invariants and what is not in it' });
  }
  const marker = /\b(TO[D]O|FIX[M]E|XX[X])\b/;
  for (const [index, text] of lines.entries()) {
    if (marker.test(text))
      faults.push({ file, line: index + 1, text: 'leave no notes to yourself: do it, or open an issue' });
  }
  return faults;
}

function listFiles(): string[] {
  const options = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const listed = execFileSync('git', options, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return [...new Set(listed.split('\0'))].filter((file) => file !== '' && existsSync(join(ROOT, file)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = tidy(listFiles(), (file) => readFileSync(join(ROOT, file), 'utf8'));
  for (const { file, line, text } of faults) process.stdout.write(`${file}:${line}: ${text}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
