/**
 * Role: a TOML text as a value, of which each part knows the line that it stands on.
 *
 * Not here: what must be in it (scenario.ts).
 */

import { type AST, getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';
import { PeerError } from '../../errors.js';

/** Names of tables and keys and indices of lists, from the outermost on. */
export type Path = readonly (string | number)[];

export interface TomlSource {
  readonly value: Readonly<Record<string, unknown>>;
  /** The line, from 1, of what a path names or of the nearest that it stands in; null: of nothing in the text. */
  lineOf(path: Path): number | null;
}

/** Errors: 'scenario' with file and line. */
export function parseTomlSource(text: string, file: string): TomlSource {
  let parsed: AST.TOMLProgram;
  try {
    parsed = parseTOML(text);
  } catch (cause) {
    const { message, lineNumber } = cause as Error & { lineNumber?: number };
    throw new PeerError('scenario', `${file}:${lineNumber ?? 1}: ${message}`, {
      cause,
      remedy: 'the file is TOML, see https://toml.io; docs/evaluation.md has what may be in it',
    });
  }
  const lines = new Map<string, number>();
  for (const part of parsed.body[0].body) {
    if (part.type === 'TOMLKeyValue') note(lines, [], part);
    else {
      place(lines, part.resolvedKey, part.loc.start.line);
      for (const inner of part.body) note(lines, part.resolvedKey, inner);
    }
  }
  const lineOf = (path: Path): number | null => {
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(textOf(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return null;
  };
  return { value: getStaticTOMLValue(parsed), lineOf };
}

function note(lines: Map<string, number>, table: Path, { key, value }: AST.TOMLKeyValue): void {
  const names = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
  const path = [...table, ...names];
  place(lines, path, key.loc.start.line);
  if (value.type === 'TOMLInlineTable') for (const inner of value.body) note(lines, path, inner);
}

/** A table without a line of its own begins with the first one in it. */
function place(lines: Map<string, number>, path: Path, line: number): void {
  lines.set(textOf(path), line);
  for (let length = 1; length < path.length; length++) {
    const outer = textOf(path.slice(0, length));
    if (!lines.has(outer)) lines.set(outer, line);
  }
}

function textOf(path: Path): string {
  return JSON.stringify(path);
}
