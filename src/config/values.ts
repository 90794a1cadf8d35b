/**
 * Role: the kinds of values that parameters take: what is expected, in words, and how it is parsed.
 *
 * Invariants: a parser returns a checked value or `undefined`, and never throws.
 *
 * Not here: which parameter has which kind (config.ts).
 */

import { isIP, isIPv4 } from 'node:net';
import type { HostPort, TunAddress, TunAllow } from './config.js';

export interface Kind<T> {
  /** Completes "expected …". */
  readonly expected: string;
  readonly parse: (text: string) => T | undefined;
}

export const text: Kind<string> = {
  expected: 'a text that is not empty',
  parse: (value) => (value === '' ? undefined : value),
};

/** `unit` stands in the message: 'seconds', 'bits per second'. */
export function integer(min: number, max: number, unit = ''): Kind<number> {
  return {
    expected: `a whole number ${unit === '' ? '' : `of ${unit} `}from ${min} to ${max}`,
    parse: (value) => {
      if (!/^\d{1,9}$/.test(value)) return undefined;
      const number = Number(value);
      return number >= min && number <= max ? number : undefined;
    },
  };
}

export const port: Kind<number> = { ...integer(1, 65_535), expected: 'a port number from 1 to 65535' };

/** A port to listen on locally, where 0 lets the system choose. */
export const listenPort: Kind<number> = {
  ...integer(0, 65_535),
  expected: 'a port number from 1 to 65535 (0: the system chooses)',
};

export const yesNo: Kind<boolean> = { expected: 'yes or no', parse: parseYesNo };

export function oneOf<T extends string>(values: readonly T[]): Kind<T> {
  return {
    expected: `one of ${values.join(', ')}`,
    parse: (value) => values.find((candidate) => candidate === value.toLowerCase()),
  };
}

/** An IP address or a host name. */
export const host: Kind<string> = {
  expected: 'an IP address or a host name',
  parse: (value) => {
    const bare = value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value;
    if (isIP(bare) !== 0) return bare;
    if (bare !== value || /^[\d.]+$/.test(value)) return undefined;
    return /^(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*\.?$/.test(value) ? value : undefined;
  },
};

/** `host` or `host:port`, IPv6 addresses with a port in square brackets. */
export function hostPort(defaultPort: number): Kind<HostPort> {
  return {
    expected: `host or host:port ([address]:port for IPv6; port ${defaultPort} where none is given)`,
    parse: (value) => {
      const whole = isIP(value) !== 0 ? value : undefined;
      const match = whole === undefined ? /^(.+):(\d+)$/.exec(value) : null;
      const name = host.parse(match?.[1] ?? value);
      const number = match?.[2] === undefined ? defaultPort : port.parse(match[2]);
      return name === undefined || number === undefined ? undefined : { host: name, port: number };
    },
  };
}

/** Address and network mask of the TUN device (Spec 3.2, TUN_IP). */
export const cidr: Kind<TunAddress> = {
  expected:
    'an address with mask in CIDR form, such as 10.20.0.1/16 or fd00:20::1/64, with room for other addresses ' +
    '(at most /30 for IPv4, /126 for IPv6), and not the network or broadcast address itself',
  parse: (value) => {
    const [address = '', mask = '', more] = value.split('/');
    const family = isIP(address);
    if (family === 0 || more !== undefined || !/^\d{1,3}$/.test(mask)) return undefined;
    const prefix = Number(mask);
    const [least, most] = family === 4 ? [8, 30] : [16, 126];
    if (prefix < least || prefix > most) return undefined;
    if (family === 4 && !isHostAddress(address, prefix)) return undefined;
    return { address, prefix, family: family === 4 ? 4 : 6 };
  },
};

/** `tcp:PORT` or `udp:PORT`. */
export const tunAllow: Kind<TunAllow> = {
  expected: 'tcp:PORT or udp:PORT',
  parse: (value) => {
    const match = /^(tcp|udp):(\d+)$/i.exec(value);
    const number = port.parse(match?.[2] ?? '');
    if (match === null || number === undefined) return undefined;
    return { proto: match[1]?.toLowerCase() === 'tcp' ? 'tcp' : 'udp', port: number };
  },
};

/** Name of a network device, as the Linux kernel allows it. */
export const deviceName: Kind<string> = {
  expected: 'a device name of at most 15 characters without "/" and blanks',
  parse: (value) => (/^[^\s/:]{1,15}$/.test(value) && value !== '.' && value !== '..' ? value : undefined),
};

/** Calls' worth of cover traffic: yes is 2, no is 0. */
export const cover: Kind<number> = {
  expected: 'yes (two calls), no, or a number of calls from 0 to 16',
  parse: (value) => {
    const flag = parseYesNo(value);
    if (flag !== undefined && !/^[01]$/.test(value)) return flag ? 2 : 0;
    return integer(0, 16).parse(value);
  },
};

/** Comma-separated values (Spec 1.1). */
export function listOf<T>(kind: Kind<T>): Kind<readonly T[]> {
  return {
    expected: `a comma-separated list, each ${kind.expected}`,
    parse: (value) => {
      const parts = value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
      const parsed = parts.map((part) => kind.parse(part));
      return parsed.includes(undefined) ? undefined : (parsed as T[]);
    },
  };
}

/** As {@link listOf}, with at least one. */
export function someOf<T>(kind: Kind<T>): Kind<readonly T[]> {
  const list = listOf(kind);
  return {
    expected: list.expected,
    parse: (value) => {
      const parsed = list.parse(value);
      return parsed === undefined || parsed.length === 0 ? undefined : parsed;
    },
  };
}

function parseYesNo(value: string): boolean | undefined {
  if (/^(yes|true|on|1)$/i.test(value)) return true;
  if (/^(no|false|off|0)$/i.test(value)) return false;
  return undefined;
}

function isHostAddress(address: string, prefix: number): boolean {
  if (!isIPv4(address)) return true;
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - prefix);
  const offset = number % size;
  return offset !== 0 && offset !== size - 1;
}
