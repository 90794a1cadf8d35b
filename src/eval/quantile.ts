/** Role: order statistics of measurements. Not here: what they are of. */

/** The value that `part` (0 to 1) of the values are at most; NaN for none, which passes no comparison. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
