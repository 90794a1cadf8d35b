/**
 * Role: `peer init DIR`: config file, hostkey and state directory of a new peer.
 *
 * Invariants: nothing that is there is overwritten; choices are checked before the key is made; the hostkey
 * and the config have mode 0600, the directories 0700.
 *
 * Not here: the text of the config (init-template.ts).
 */

import { access, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import { parseConfig } from '../config/config.js';
import { PeerError } from '../errors.js';
import { generateHostkeyPem, loadHostkey, parseHostkey } from '../identity/hostkey.js';
import { ensurePrivateDirectory, writePrivateFile } from '../private-files.js';
import { PeerCommand } from './command.js';
import { configText } from './init-template.js';

export class InitCommand extends PeerCommand {
  static override paths = [['init']];
  static override usage = Command.Usage({
    category: 'Set-up',
    description: 'make a new peer: config file, hostkey, state directory',
    examples: [
      ['A peer to try things out with', '$0 init my-peer'],
      [
        'A peer that others can reach',
        '$0 init my-peer --address 198.51.100.7 --bootstrap 203.0.113.5:3000 --tun-ip 10.20.0.1/16',
      ],
    ],
  });

  directory = Option.String({ name: 'DIR' });
  addresses = Option.Array('--address', [], {
    description: 'an address or name of this peer that others can reach (may be repeated)',
  });
  bootstrap = Option.Array('--bootstrap', [], {
    description: 'host or host:port of a peer to start from (may be repeated)',
  });
  apiHost = Option.String('--api-host', '127.0.0.1', { description: 'HOSTNAME of [DHT] and [KX]' });
  dhtPort = Option.String('--dht-port', '3086', { description: 'PORT of [DHT]' });
  overlayPort = Option.String('--overlay-port', '3000', { description: 'OVERLAY_PORT' });
  kxPort = Option.String('--kx-port', '3087', { description: 'PORT of [KX]' });
  outreachPort = Option.String('--outreach-port', '3001', { description: 'OUTREACH_PORT' });
  tunIp = Option.String('--tun-ip', '10.20.0.1/16', { description: 'TUN_IP' });
  tunName = Option.String('--tun-name', 'peer0', { description: 'TUN_NAME' });
  voipPort = Option.String('--voip-port', '5060', { description: 'PORT of [VOIP]' });

  adopt = Option.String('--adopt-hostkey', {
    description: 'take this hostkey (PEM, RSA 4096) instead of making one: the peer keeps its identity',
  });

  override async perform(): Promise<undefined> {
    const directory = resolve(this.directory);
    const configFile = join(directory, 'peer.ini');
    const text = this.#configText();
    const { hostkeyPath, stateDir } = parseConfig(text, configFile);
    for (const path of [configFile, hostkeyPath]) await refuseExisting(path);

    await makeDirectory(directory);
    const pem = await this.#hostkeyPem();
    await writePrivateFile(hostkeyPath, pem, { exclusive: true });
    await ensurePrivateDirectory(stateDir);
    await writePrivateFile(configFile, text, { exclusive: true });

    const identity = parseHostkey(pem, hostkeyPath).identity.toString('hex');
    const next = `peer id new NAME -c ${configFile}, then: peer up -c ${configFile}`;
    this.print(
      { config: configFile, hostkey: hostkeyPath, stateDir, identity },
      `config    ${configFile}\nhostkey   ${hostkeyPath}\nstate     ${stateDir}\nidentity  ${identity}\n\nNext: ${next}`,
    );
    return undefined;
  }

  async #hostkeyPem(): Promise<string> {
    if (this.adopt !== undefined) {
      await loadHostkey(resolve(this.adopt));
      return readFile(resolve(this.adopt), 'utf8');
    }
    this.progress('making a hostkey (RSA 4096), which takes a few seconds …');
    return generateHostkeyPem();
  }

  #configText(): string {
    const { apiHost, dhtPort, overlayPort, kxPort, outreachPort, bootstrap, tunIp, tunName, voipPort } = this;
    const addresses = this.addresses.length === 0 ? ['127.0.0.1'] : this.addresses;
    const ports = { dhtPort, overlayPort, kxPort, outreachPort, voipPort };
    return configText({ addresses, apiHost, bootstrap, tunIp, tunName, ...ports });
  }
}

async function refuseExisting(path: string): Promise<void> {
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (there) {
    throw new PeerError('exists', `${path} exists already, and nothing is overwritten`, {
      remedy: 'give another directory, or remove the old peer first',
    });
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new PeerError('state-dir', `cannot make the directory ${path}: ${(error as Error).message}`, {
      cause: error,
      remedy: 'give a directory that you may write to',
    });
  }
}
