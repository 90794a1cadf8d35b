/**
 * The one error class of the TypeScript side.
 *
 * Callers match on `code`, never on message text. The message says what happened and why;
 * `remedy`, where there is one, says what the person can do about it.
 */
export class PeerError<Code extends string = string> extends Error {
  override readonly name = 'PeerError';
  readonly remedy: string | undefined;

  constructor(
    readonly code: Code,
    message: string,
    options: { readonly cause?: unknown; readonly remedy?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.remedy = options.remedy;
  }
}
