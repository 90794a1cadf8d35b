/**
 * Role: what a program that hosts DHT nodes is asked and what it answers, whosever DHT it is.
 *
 * Not here: the two ends of it (host-process.ts, host-service.ts), the nodes (sim/dht-host.ts, hyperdht-host.ts).
 */

export interface NodeEndpoint {
  readonly host: string;
  readonly port: number;
}

/** A key under which something was put. */
export interface StoredKey {
  readonly key: Buffer;
  /** Whether what is stored is signed by the key. */
  readonly signed: boolean;
}

export interface StartRequest {
  readonly kind: 'start';
  /** Index of the first of these nodes in the whole network. */
  readonly first: number;
  readonly count: number;
  /** A node to start from; null for the first host. */
  readonly bootstrap: NodeEndpoint | null;
}

export interface PutRequest {
  readonly kind: 'put';
  readonly count: number;
  /** Bytes of a value, without what a signature adds. */
  readonly valueBytes: number;
  readonly replication: number;
}

export interface GetRequest {
  readonly kind: 'get';
  readonly keys: readonly StoredKey[];
  /** GETs in work at the same time, each from a node chosen by chance. */
  readonly atOnce: number;
}

export interface MemoryRequest {
  readonly kind: 'memory';
}

export type HostRequest = StartRequest | PutRequest | GetRequest | MemoryRequest;

export interface StartAnswer {
  /** The first of the nodes. */
  readonly endpoint: NodeEndpoint;
  /** Resident memory before the first node was made. */
  readonly bytesBefore: number;
}

export interface PutAnswer {
  readonly keys: readonly StoredKey[];
}

export interface GetAnswer {
  /** One for each GET: milliseconds to the first value that holds, or null where none came. */
  readonly milliseconds: readonly (number | null)[];
}

export interface MemoryAnswer {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

export interface HostAnswers {
  readonly start: StartAnswer;
  readonly put: PutAnswer;
  readonly get: GetAnswer;
  readonly memory: MemoryAnswer;
}
