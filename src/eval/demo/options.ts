/** Role: the command line of the demo. Not here: what it does. */

import { parseArgs } from 'node:util';
import { PeerError } from '../../errors.js';

/** Three hops, of which the exchange point is the last, and the two people: fewer peers cannot show a call. */
const LEAST_PEERS = 5;
const MOST_PEERS = 64;
const DEFAULT_PEERS = 8;

export const USAGE = `usage: npm run demo -- [--peers N] [--json]

Two people call each other over a network of real peers on this machine, and one hears what the other says.
  --peers N  how many peers, ${LEAST_PEERS} to ${MOST_PEERS}; default ${DEFAULT_PEERS}
  --json     the summary as JSON on standard output, progress on standard error
`;

export interface DemoOptions {
  readonly peers: number;
  readonly json: boolean;
  readonly help: boolean;
}

/** Errors: 'usage'. */
export function parseOptions(args: readonly string[]): DemoOptions {
  const { values } = parse(args);
  const peers = Number(values.peers ?? DEFAULT_PEERS);
  if (!Number.isInteger(peers) || peers < LEAST_PEERS || peers > MOST_PEERS) {
    throw new PeerError('usage', `--peers: expected ${LEAST_PEERS} to ${MOST_PEERS}, found ${values.peers}`);
  }
  return { peers, json: values.json, help: values.help };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        peers: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (cause) {
    throw new PeerError('usage', (cause as Error).message, { cause });
  }
}
