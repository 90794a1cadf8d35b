/** Role: on what and with what an evaluation was made. Not here: the measuring. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Machine, Results } from './results.js';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

export function readMachine(): Machine {
  const processors = cpus();
  return {
    system: `${type()} ${release()}`,
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGigabytes: Math.round(totalmem() / 1e8) / 10,
  };
}

/** The commit where this is a clone; `+` behind it: with changes of its own. */
export function readVersions(): Results['versions'] {
  const { version } = JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8')) as { version: string };
  const git = (...args: string[]) => spawnSync('git', ['-C', REPOSITORY, ...args], { encoding: 'utf8' });
  const commit = git('rev-parse', '--short=12', 'HEAD');
  const isChanged = git('status', '--porcelain', '--untracked-files=no').stdout?.trim() !== '';
  const known = commit.status === 0 ? ` (${commit.stdout.trim()}${isChanged ? '+' : ''})` : '';
  return { peer: `${version}${known}`, node: process.versions.node };
}
