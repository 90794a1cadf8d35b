/**
 * Role: an INI file (Spec 1.1) as parameters that know the line they stand on.
 *
 * Invariants: values come from the `ini` package; lines from a scan of the same text. What the two could
 * read differently (a parameter given twice, a line that is no parameter) is an error, so they cannot.
 *
 * Not here: which parameters there are and what they mean (config.ts).
 */

import { parse } from 'ini';

export interface IniParameter {
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

export interface IniSource {
  /** Names of sections in the file; `null` stands for the parameters before the first section. */
  readonly sections: ReadonlySet<string | null>;
  /** Parameters of one section by name, in the order of the file. */
  readonly parameters: (section: string | null) => ReadonlyMap<string, IniParameter>;
  /** `line: what is wrong`, without the file name. */
  readonly errors: readonly { readonly line: number; readonly text: string }[];
}

export function parseIni(text: string): IniSource {
  const clean = text.replace(/^\uFEFF/, '');
  const values = parse(clean) as Record<string, unknown>;
  const tables = new Map<string | null, Map<string, IniParameter>>([[null, new Map()]]);
  const errors: { line: number; text: string }[] = [];
  let section: string | null = null;

  for (const [index, raw] of clean.split(/\r\n|\n|\r/).entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;
    const header = /^\[([^\]]*)\]$/.exec(raw.trimEnd());
    if (header !== null) {
      section = (header[1] ?? '').trim();
      if (!tables.has(section)) tables.set(section, new Map());
      continue;
    }
    const equals = raw.indexOf('=');
    if (equals <= 0) {
      errors.push({ line, text: `expected "PARAMETER = VALUE" or "[SECTION]", found ${quote(content)}` });
      continue;
    }
    const name = raw.slice(0, equals).trim();
    const table = tables.get(section);
    const earlier = table?.get(name);
    if (earlier !== undefined) {
      const where = section === null ? name : `[${section}] ${name}`;
      errors.push({ line, text: `${where}: given already on line ${earlier.line}; expected once` });
      continue;
    }
    table?.set(name, { value: lookUp(values, section, name), line });
  }
  return {
    sections: new Set(tables.keys()),
    parameters: (wanted) => tables.get(wanted) ?? new Map<string, IniParameter>(),
    errors,
  };
}

/** For messages: the text in quotes, shortened where it is long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

function lookUp(values: Record<string, unknown>, section: string | null, name: string): string {
  const table = section === null ? values : values[section];
  const value =
    typeof table === 'object' && table !== null ? (table as Record<string, unknown>)[name] : undefined;
  return value === undefined || typeof value === 'object' ? '' : String(value).trim();
}
