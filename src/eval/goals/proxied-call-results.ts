/** Role: what proxied-call.ts finds out. Not here: what must hold (testing-proxied.ts). */

export interface ProxiedCall {
  readonly caller: string;
  /** Why it did not come about, or was not heard; absent: it did, and was. */
  readonly fault?: string;
  readonly ringingAfterMs?: number;
}

export interface ProxiedResults {
  readonly calls: readonly ProxiedCall[];
  /** API messages that went through the proxies, and how often each rule was applied. */
  readonly messages: number;
  readonly applied: Readonly<Record<string, number>>;
}
