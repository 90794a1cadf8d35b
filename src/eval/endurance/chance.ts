/** Role: what decides by chance in the endurance run. Without a seed: what follows hangs on the machine's time as well. */

/** Uniform in [0, 1). */
export function fraction(): number {
  return Math.random();
}

/** A whole number in [0, below). */
export function integer(below: number): number {
  return Math.floor(Math.random() * below);
}

export function between([least, most]: readonly [number, number]): number {
  return least + integer(most - least);
}

export function any<T>(list: readonly T[]): T {
  return list[integer(list.length)] as T;
}
