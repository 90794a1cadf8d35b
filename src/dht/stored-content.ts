/**
 * A content as a node keeps it: its bytes as text of one character each, in one piece.
 *
 * A buffer takes some 300 bytes besides what it holds, text 16. Buffers are made of it whenever somebody wants them.
 * Invariant: nothing of it changes; a longer life is another object with the same text. Not here: the shelves (store.ts).
 */

export interface ContentFields {
  /** DHT key, SHA-256 of the content, and the content, as text. */
  readonly keyText: string;
  readonly hashText: string;
  readonly text: string;
  readonly expiresAtMs: number;
  readonly replication: number;
  /** Identity (hex) of the node that sent it. */
  readonly sender: string;
  /** Sequence number of a self-certifying value, else null. */
  readonly sequence: bigint | null;
}

export class StoredContent implements ContentFields {
  readonly keyText: string;
  readonly hashText: string;
  readonly text: string;
  readonly expiresAtMs: number;
  readonly replication: number;
  readonly sender: string;
  readonly sequence: bigint | null;

  constructor(fields: ContentFields) {
    this.keyText = fields.keyText;
    this.hashText = fields.hashText;
    this.text = fields.text;
    this.expiresAtMs = fields.expiresAtMs;
    this.replication = fields.replication;
    this.sender = fields.sender;
    this.sequence = fields.sequence;
  }

  get key(): Buffer {
    return bytesOf(this.keyText);
  }

  get hash(): Buffer {
    return bytesOf(this.hashText);
  }

  get content(): Buffer {
    return bytesOf(this.text);
  }

  /** Length of the content. */
  get bytes(): number {
    return this.text.length;
  }
}

export function textOf(bytes: Buffer): string {
  return bytes.toString('latin1');
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
