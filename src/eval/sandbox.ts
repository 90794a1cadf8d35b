/**
 * Role: runs a program of ours in network, mount and process namespaces of its own, as root or without.
 *
 * Invariants: whatever the program starts is gone when it ends, however it ends: its processes live in a PID
 * namespace that dies with it, its interfaces in a network namespace, its files in a directory that the outer process
 * removes. Traffic cannot leave: the namespace has no way out.
 *
 * Not here: what runs inside (namespaces.ts, demo/).
 */

import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PeerError } from '../errors.js';

const INSIDE_VARIABLE = 'PEER_SANDBOX_DIRECTORY';
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_ROOT_INSIDE = ['--user', '--map-root-user'];

/** The sandbox's own directory, when this process is inside one. */
export function sandboxDirectory(): string | null {
  return process.env[INSIDE_VARIABLE] ?? null;
}

/**
 * Runs `script` (a compiled module's path) again inside a sandbox; resolves to its exit code.
 *
 * Errors: 'sandbox' (namespaces or TUN devices are not to be had here), with a remedy.
 */
export async function runInSandbox(script: string, args: readonly string[]): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  requireTools(isRoot);
  const directory = mkdtempSync(join(tmpdir(), 'peer-'));
  const child = spawn(
    'unshare',
    [
      ...(isRoot ? [] : AS_ROOT_INSIDE),
      ...NAMESPACES,
      process.execPath,
      '--enable-source-maps',
      script,
      ...args,
    ],
    { stdio: 'inherit', env: { ...process.env, [INSIDE_VARIABLE]: directory } },
  );
  // Ctrl-C reaches the inner process through the terminal; it ends by itself, or is ended here.
  let interrupted = false;
  const end = (signal: NodeJS.Signals) => {
    if (interrupted || signal === 'SIGTERM') child.kill('SIGKILL');
    interrupted = true;
    setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 130));
    });
  } finally {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** To be called first thing inside: makes room for network namespaces. */
export function prepareInside(): void {
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  mkdirSync('/run/netns');
  run('ip', ['link', 'set', 'lo', 'up']);
}

function requireTools(isRoot: boolean): void {
  for (const tool of ['unshare', 'ip', 'mount']) {
    if (spawnSync(tool, ['--version']).error !== undefined && spawnSync(tool, ['-V']).error !== undefined) {
      throw new PeerError('sandbox', `the program ${tool} is missing`, {
        remedy: 'Install the Debian packages util-linux, mount and iproute2.',
      });
    }
  }
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new PeerError(
      'sandbox',
      'TUN devices cannot be opened: /dev/net/tun is missing or not open to this user',
      {
        cause,
        remedy: 'Run as root, or let an administrator do: modprobe tun; chmod 0666 /dev/net/tun',
      },
    );
  }
  const trial = spawnSync('unshare', [...(isRoot ? [] : AS_ROOT_INSIDE), ...NAMESPACES, 'true']);
  if (trial.status !== 0) {
    throw new PeerError('sandbox', `namespaces cannot be made here: ${trial.stderr.toString().trim()}`, {
      remedy: isRoot
        ? 'This system (a container?) forbids unshare; run on the host itself.'
        : 'Run as root, or allow it: sysctl kernel.unprivileged_userns_clone=1',
    });
  }
}

/** Runs a command to its end. Errors: 'command' with what it printed. */
export function run(program: string, args: readonly string[]): string {
  const result = spawnSync(program, args, { encoding: 'utf8' });
  if (result.error !== undefined || result.status !== 0) {
    const reason = result.error?.message ?? result.stderr.trim();
    throw new PeerError('command', `${program} ${args.join(' ')}: ${reason}`);
  }
  return result.stdout;
}
