/** What a camera reads off the terminal is the pseudo-identity. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import decodeQR from 'qr/decode.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { qrText } from '../../../src/cli/qr-text.js';
import { parsePseudoIdentity } from '../../../src/identity/pseudo-identity.js';
import { testHostkeyPath } from '../../support/hostkeys.js';
import { runPeer } from '../../support/run-peer.js';

/** Pixels of a module in the picture that is decoded. */
const SCALE = 4;
/** Whether upper and lower half of a character are light. */
const HALVES: Readonly<Record<string, readonly [boolean, boolean]>> = {
  '█': [true, true],
  '▀': [true, false],
  '▄': [false, true],
  ' ': [false, false],
};

/** The lines as a camera sees them on a dark terminal, which goes on around them. */
function scan(lines: readonly string[]): string {
  const modules = lines.flatMap((line) => [0, 1].map((half) => [...line].map((it) => HALVES[it]?.[half])));
  const [width, height] = [(lines[0]?.length ?? 0) * SCALE, modules.length * SCALE];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isLight = modules[Math.floor(y / SCALE)]?.[Math.floor(x / SCALE)] === true;
      data.fill(isLight ? 255 : 0, (y * width + x) * 3, (y * width + x + 1) * 3);
    }
  }
  return decodeQR({ width, height, data });
}

const show = suite('peer id show');

show('prints the identity, and a code that is read as the same one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'peer-show-'));
  try {
    const config = join(directory, 'peer.ini');
    writeFileSync(config, `HOSTKEY = ${await testHostkeyPath(0)}\nSTATE_DIR = state\n`);
    const id = (await runPeer('id', 'new', 'work', '-c', config)).stdout.trim();
    assert.is((await runPeer('id', 'show', 'work', '-c', config)).stdout, `${id}\n`);
    const lines = (await runPeer('id', 'show', 'work', '--qr', '-c', config)).stdout.trimEnd().split('\n');
    assert.is(lines.pop(), id);
    assert.equal(parsePseudoIdentity(scan(lines)), parsePseudoIdentity(id));
    const json = await runPeer('id', 'show', 'work', '--qr', '--json', '-c', config);
    const shown = JSON.parse(json.stdout) as { id: string; qr: string[] };
    assert.is(shown.id, id);
    assert.equal(shown.qr, lines);
    assert.is((await runPeer('id', 'show', 'nobody', '--qr', '-c', config)).code, 1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

show('on a terminal the colours are those of the code and not the terminal’s', () => {
  const plain = qrText('ABC', false).split('\n');
  const coloured = qrText('ABC', true).split('\n');
  assert.equal(
    coloured,
    plain.map((line) => `\u001b[97;40m${line}\u001b[0m`),
  );
});

show.run();
