/**
 * Role: asks for a passphrase: from a file, or at the terminal without showing it.
 *
 * Not here: what it protects.
 */

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { PeerError } from '../errors.js';

/** The first line of `file`, else what is typed. Errors: 'passphrase'. */
export async function askPassphrase(file: string | undefined, prompt: string): Promise<string> {
  const given = file === undefined ? await typed(prompt) : await firstLine(file);
  if (given === '') throw new PeerError('passphrase', 'the passphrase must not be empty');
  return given;
}

/** As {@link askPassphrase}; what is typed is asked for twice. Errors: 'passphrase'. */
export async function askNewPassphrase(file: string | undefined, prompt: string): Promise<string> {
  const passphrase = await askPassphrase(file, prompt);
  if (file === undefined && (await askPassphrase(undefined, 'once more')) !== passphrase)
    throw new PeerError('passphrase', 'the two were not the same');
  return passphrase;
}

async function firstLine(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new PeerError('passphrase', `cannot read ${file}: ${cause.message}`, { cause });
  });
  return text.split(/\r?\n/)[0] ?? '';
}

function typed(prompt: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    throw new PeerError('passphrase', 'there is no terminal to ask for the passphrase', {
      remedy: 'give a file whose first line it is: --passphrase-file FILE',
    });
  }
  process.stderr.write(`${prompt}: `);
  const deaf = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: deaf, terminal: true });
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => {
      lines.off('close', refuse);
      lines.close();
      process.stderr.write('\n');
      resolve(line);
    });
    const refuse = () => reject(new PeerError('passphrase', 'no passphrase was given'));
    lines.once('close', refuse);
    lines.once('SIGINT', () => lines.close());
  });
}
