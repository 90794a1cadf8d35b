/**
 * Role: module hooks that put guarded-uvu.ts in the place of `uvu`; runs in node's hooks thread.
 *
 * Not here: registration (guard-register.ts).
 */

type Resolved = { url: string; shortCircuit?: boolean };
type NextResolve = (specifier: string, context: { parentURL?: string }) => Promise<Resolved>;

const GUARD = new URL('./guarded-uvu.js', import.meta.url).href;

export async function resolve(
  specifier: string,
  context: { parentURL?: string },
  nextResolve: NextResolve,
): Promise<Resolved> {
  if (specifier === 'uvu' && context.parentURL !== GUARD && !context.parentURL?.includes('/node_modules/')) {
    return { url: GUARD, shortCircuit: true };
  }
  return nextResolve(specifier, context);
}
