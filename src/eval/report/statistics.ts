/**
 * Role: observations in a few numbers, with a confidence interval of their mean.
 *
 * Invariants: pure; observations come in groups, those of a network in one: they share paths and keys and are not independent, so
 * that intervals are those of the groups' means.
 *
 * Not here: what is observed (measures.ts).
 */

import { quantile } from '../quantile.js';

/**
 * Student's t at 97.5 % for 1, 2, … degrees of freedom; the last one stands for all above until the normal distribution's 1.960 is
 * used (from 120 on). Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
 */
const T_975 = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];
const NORMAL_FROM = 120;
const NORMAL_975 = 1.96;

/** Observations by network; no group is empty. */
export type Groups = readonly (readonly number[])[];

export interface Statistics {
  readonly count: number;
  readonly networks: number;
  /** Of the networks' means. */
  readonly mean: number;
  /** Half the width of the interval that has the mean with 95 %; NaN for fewer than two networks. */
  readonly halfWidth: number;
  readonly median: number;
  readonly p95: number;
  readonly min: number;
  readonly max: number;
}

/** NaN for what cannot be told of so few observations. */
export function statisticsOf(groups: Groups): Statistics {
  const values = groups.flat();
  const networks = groups.length;
  const { mean, variance } = momentsOfMeans(groups);
  return {
    count: values.length,
    networks,
    mean,
    halfWidth: networks < 2 ? Number.NaN : studentT(networks - 1) * Math.sqrt(variance / networks),
    median: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    min: values.length === 0 ? Number.NaN : Math.min(...values),
    max: values.length === 0 ? Number.NaN : Math.max(...values),
  };
}

/** How much greater the mean of the second is, by Welch's interval of 95 %; NaN where one has fewer than two networks. */
export function difference(
  one: Groups,
  other: Groups,
): { readonly mean: number; readonly halfWidth: number } {
  const [a, b] = [momentsOfMeans(one), momentsOfMeans(other)];
  const [partA, partB] = [a.variance / one.length, b.variance / other.length];
  const error = Math.sqrt(partA + partB);
  const freedom = (partA + partB) ** 2 / (partA ** 2 / (one.length - 1) + partB ** 2 / (other.length - 1));
  const few = one.length < 2 || other.length < 2;
  const halfWidth = few ? Number.NaN : error === 0 ? 0 : studentT(Math.max(1, Math.floor(freedom))) * error;
  return { mean: b.mean - a.mean, halfWidth };
}

function momentsOfMeans(groups: Groups): { mean: number; variance: number } {
  return moments(groups.map((group) => moments(group).mean));
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (values.length - 1) };
}

function studentT(freedom: number): number {
  if (freedom >= NORMAL_FROM) return NORMAL_975;
  return T_975[Math.min(freedom, T_975.length) - 1] ?? NORMAL_975;
}
