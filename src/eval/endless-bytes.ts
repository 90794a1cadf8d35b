/** Role: a stream of bytes that both ends of a measurement know, so that what arrives is compared without being kept. */

import { createCipheriv } from 'node:crypto';

/** The same endless bytes for whoever asks; each call gives the next `length`. */
export function endlessBytes(): (length: number) => Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  return (length) => cipher.update(Buffer.alloc(length));
}
