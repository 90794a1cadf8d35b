/** Role: how large the network is of which half is stopped, and how many GETs. Not here: the measurement. */

/** Few nodes a process, as whole processes are stopped. */
export const FROZEN_NODES_EACH = 5;
export const FROZEN_HOSTS = 40;
export const FROZEN_GETS = 1_000;
