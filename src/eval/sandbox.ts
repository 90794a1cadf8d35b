/**
 * Role: runs a program of ours in network, mount and process namespaces of its own, as root or without.
 *
 * Invariants: whatever the program starts is gone when it ends, however it ends: its processes live in a PID
 * namespace that dies with it, its interfaces in a network namespace, its files in a file system in memory that only
 * its mount namespace has. It ends with the outer process, even if that is killed: a pipe between them breaks.
 * Traffic cannot leave: the namespace has no way out.
 *
 * Not here: what runs inside (namespaces.ts, demo/).
 */

import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PeerError } from '../errors.js';

const INSIDE_VARIABLE = 'PEER_SANDBOX_DIRECTORY';
/** Below the file system that prepareInside mounts; short, as paths of Unix sockets must be. */
const DIRECTORY = '/run/sandbox';
/** The inner process reads the end of the outer one from this descriptor. */
const LIFELINE = 3;
const END_MS = 10_000;
const EXIT_INTERRUPTED = 130;
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_ROOT_INSIDE = ['--user', '--map-root-user'];
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
    {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      env: { ...process.env, [INSIDE_VARIABLE]: DIRECTORY },
    },
  );
  const lifeline = child.stdio[LIFELINE] as Duplex;
  lifeline.on('error', () => {});
  // unshare itself is deaf to these signals: the inner process is told through the lifeline, and killed with
  // unshare if it does not end.
  let interrupted = false;
  const end = () => {
    if (interrupted) child.kill('SIGKILL');
    interrupted = true;
    lifeline.destroy();
    setTimeout(() => child.kill('SIGKILL'), END_MS).unref();
  };
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => resolve(interrupted ? EXIT_INTERRUPTED : (code ?? 1)));
    });
  } finally {
    for (const signal of SIGNALS) process.off(signal, end);
    lifeline.destroy();
  }
}

/**
 * To be called first thing inside: makes room for network namespaces and for files. From then on this process, and
 * with it all that it started, ends on a signal or with the outer process, after `onEnd`.
 */
export function prepareInside(onEnd: () => void = () => {}): void {
  const end = () => {
    onEnd();
    process.exit(EXIT_INTERRUPTED);
  };
  // As the first process of its PID namespace it would not notice signals without handlers.
  for (const signal of SIGNALS) process.on(signal, end);
  const lifeline = new Socket({ fd: LIFELINE });
  lifeline.on('error', end).on('close', end).resume().unref();
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  mkdirSync('/run/netns');
  mkdirSync(DIRECTORY);
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
