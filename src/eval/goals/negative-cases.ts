/**
 * Role: which tests show that hostile and broken input has its expected end, and whether they have run and passed.
 *
 * Invariants: a case whose test is gone or renamed is missing, never passed.
 *
 * Not here: running them (call.ts).
 */

export interface NegativeCase {
  readonly kind: string;
  /** Test files of the guarded runner, below test/, all of whose tests must pass. */
  readonly testFiles: readonly string[];
  /** Names of Rust tests, without the modules around them. */
  readonly cargoTests: readonly string[];
}

export const NEGATIVE_CASES: readonly NegativeCase[] = [
  {
    kind: 'malformed messages of every type',
    testFiles: [
      ...[
        'unit/wire/message.test',
        'unit/api/server.test',
        'unit/dht/rpc-message.test',
        'unit/dht/node.test',
      ],
      ...['conformance/api-framing.test', 'conformance/dht-network.test'],
    ],
    cargoTests: ['garbage_of_every_kind_disturbs_nobody', 'arbitrary_bytes_never_panic'],
  },
  {
    kind: 'unknown pseudo-identity',
    testFiles: ['e2e/tunnel.test', 'e2e/call.test'],
    cargoTests: ['an_unknown_pseudo_identity_is_told'],
  },
  {
    kind: 'exchange point that is down',
    testFiles: ['e2e/tunnel.test'],
    cargoTests: ['an_exchange_point_that_is_down_is_told_in_bounded_time'],
  },
  {
    kind: 'wrong peer identity at a hop',
    testFiles: ['e2e/tunnel.test'],
    cargoTests: ['a_peer_with_another_identity_is_refused_at_every_hop'],
  },
  {
    kind: 'altered and replayed cells',
    testFiles: ['unit/dht/session.test'],
    cargoTests: [
      ...['replayed_datagrams_are_dropped_and_counted', 'any_altered_byte_is_refused'],
      'altered_datagrams_are_dropped_and_counted_and_move_no_window',
    ],
  },
];

/** Names of the tests that passed, as `cargo test` prints them. */
export function readCargoTests(output: string): ReadonlySet<string> {
  return new Set(
    [...output.matchAll(/^test (\S+)(?: - should panic)? \.\.\. ok$/gm)].map(([, name = '']) => name),
  );
}

/** Files that passed and how many tests they had, as the guarded runner prints them. */
export function readRunnerFiles(output: string): ReadonlyMap<string, number> {
  const lines = output.matchAll(/^ok +(\S+): (\d+) passed/gm);
  return new Map([...lines].map(([, name = '', count]) => [name, Number(count)]));
}

/** What is missing of the cases, each as a sentence. */
export function missingCases(
  cases: readonly NegativeCase[],
  cargoTests: ReadonlySet<string>,
  runnerFiles: ReadonlyMap<string, number>,
): string[] {
  const ran = new Set([...cargoTests].map((name) => name.split('::').at(-1)));
  return cases.flatMap(({ kind, testFiles, cargoTests: wanted }) => {
    const absent = [
      ...wanted.filter((name) => !ran.has(name)),
      ...testFiles.filter((name) => (runnerFiles.get(name) ?? 0) === 0),
    ];
    return absent.length === 0 ? [] : [`${kind}: did not pass: ${absent.join(', ')}`];
  });
}
