/**
 * Role: text that may come from others, made harmless for a terminal.
 *
 * Invariants: what comes out has no control characters (so no escape sequence), nothing that turns the direction of
 * writing, nothing invisible, and is of bounded length.
 */

const MAX_CHARACTERS = 400;
/** Controls, format characters (direction, zero width), separators of lines; unassigned and private ones. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

export function safeText(text: string): string {
  return text.slice(0, MAX_CHARACTERS).replace(UNSAFE, '\u{fffd}');
}

/** The same value of JSON, with every text in it made safe, names of fields too. */
export function safeValue<Value>(value: Value): Value {
  return clean(value) as Value;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return safeText(value);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [safeText(key), clean(field)]));
}
