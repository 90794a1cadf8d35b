/**
 * Role: the transmission rating R of the E-model (ITU-T G.107), from measured speech quality and delay.
 *
 * R = min(R(MOS), 93.2) − Idd. What codec, loss and gaps do to the speech is in the measured quality, in place of the tables of
 * equipment impairments (ITU-T G.113 has none for Opus); what the delay does is added by Idd. No echo is assumed (headsets), and all
 * else has its default value. The scale is that of narrow band, so that better speech than that counts as its best.
 *
 * Not here: how quality and delay are measured (crates/lab/src/score.rs).
 */

/** R of a connection with nothing but the defaults of G.107. */
export const BEST_R = 93.2;
/** MOS falls below 1 there (G.107 Annex B is for R from 0 to 100 and says 1 for what is less). */
const LEAST_R = 6.5;
const STEPS = 50;

/** `mos`: 1 to 5, as PESQ's MOS-LQO; `delayMs`: mouth to ear. */
export function ratingOf(mos: number, delayMs: number): number {
  return Math.max(0, Math.min(ratingOfMos(mos), BEST_R) - delayImpairment(delayMs));
}

/** G.107 Annex B: the mean opinion score that a rating stands for. */
export function mosOfRating(r: number): number {
  if (r <= 0) return 1;
  if (r >= 100) return 4.5;
  return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
}

/** The rating that has this mean opinion score, by bisection. */
function ratingOfMos(mos: number): number {
  if (mos <= 1) return 0;
  let [low, high] = [LEAST_R, 100];
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2;
    if (mosOfRating(middle) < mos) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** G.107 (7-27, 7-28) with sT = 1 and mT = 100 ms: impairment by absolute delay. */
export function delayImpairment(delayMs: number): number {
  if (delayMs <= 100) return 0;
  const x = Math.log2(delayMs / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
}
