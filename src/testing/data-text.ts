/** Role: the text of a tester's file as a value: YAML where the file's name ends so, else JSON. Not here: what must be in it. */

import { parse } from 'yaml';

/** Throws what the parser throws, with the place in its message. */
export function parseData(text: string, file: string): unknown {
  return /\.ya?ml$/i.test(file) ? parse(text) : JSON.parse(text);
}

/** For messages: what a file of this name is expected to be. */
export function formatOf(file: string): string {
  return /\.ya?ml$/i.test(file) ? 'YAML' : 'JSON';
}
