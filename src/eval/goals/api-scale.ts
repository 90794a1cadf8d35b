/** Role: how much the trials of the DHT's API try. Not here: the trials. */

export const DAEMONS = 6;
export const LARGE_GETS = 600;
export const FUZZED_MESSAGES = 2_000;
export const ATTACK_CONNECTIONS = 10_000;
