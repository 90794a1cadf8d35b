/**
 * Role: the command lines that run a module in a container, with podman or else docker.
 *
 * Invariants: the container shares the network of this machine, sees the directory of its config at the same path and nothing else of
 * its files, and is removed by its name also where it does not end by itself.
 *
 * Not here: running them (started-target.ts).
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { PeerError } from '../../errors.js';

const TOOLS = ['podman', 'docker'] as const;
const TUN = '/dev/net/tun';

export interface ContainerCommands {
  readonly run: string;
  readonly remove: string;
}

/**
 * @param image its name, and arguments for it
 * @param directory absolute; its last part becomes the name of the container
 *
 * Errors: 'target-unreachable' where neither tool is there.
 */
export function containerOf(image: string, directory: string): ContainerCommands {
  const tool = TOOLS.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (tool === undefined) {
    throw new PeerError(
      'target-unreachable',
      `neither ${TOOLS.join(' nor ')} is there to run a container with`,
      {
        remedy: 'Install one of them, or start the module by --command.',
      },
    );
  }
  const name = basename(directory);
  // Of podman's, root is who runs it; of docker's, the one of the machine, whose files we could not remove.
  const user = tool === 'podman' ? '0:0' : `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  // A KX makes a TUN device.
  const tun = existsSync(TUN) ? `--cap-add NET_ADMIN --device ${TUN}` : '';
  const options = `--rm --name ${name} --network host --user ${user} ${tun} -v ${directory}:${directory} -w ${directory}`;
  return { run: `exec ${tool} run ${options} ${image}`, remove: `${tool} rm -f ${name}` };
}
