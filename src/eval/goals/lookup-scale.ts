/** Role: how large the networks are in which GETs are measured, and how many GETs. Not here: the measurement. */

export const HOSTS = 8;
export const NODES_EACH = 25;
export const MEMORY_NODES = 500;
export const VALUES = 400;
export const VALUE_BYTES = 512;
/** As many as hyperdht always has. */
export const REPLICATION = 20;
export const ROUNDS = 6;
export const GETS_IN_TURN = 400;
export const GETS_AT_ONCE = 3_200;
export const AT_ONCE = 64;
