/** The nearest equal seats for seats that went: same price and kind, beside what is left, close to what was lost. Pure. */

const BESIDE = 1_000;

/**
 * @param {number[]} lost seats that went
 * @param {Set<number>} kept seats that stay
 * @param {import("../seat_map/layout.js").SeatLayout} layout
 * @param {import("../seat_map/places.js").Places} places
 * @param {(index: number) => boolean} isFree
 * @returns {number[]} as many seats as were lost, or none
 */
export function nearestEqual(lost, kept, layout, places, isFree) {
  if (kept.size === 0 && lost.length > 1) {
    const together = nearestRun(lost, layout, places, isFree);
    if (together !== null) return together;
  }
  const found = [];
  const group = new Set(kept);
  for (const seat of lost) {
    const next = nearest(seat, group, layout, places, (index) => isFree(index) && !group.has(index));
    if (next === null) return [];
    found.push(next);
    group.add(next);
  }
  return found.sort((a, b) => a - b);
}

function isEqual(one, other, layout) {
  return layout.priceOf[one] === layout.priceOf[other] && layout.kindOf(one) === layout.kindOf(other);
}

function distance(one, other, layout) {
  return Math.hypot(layout.x[one] - layout.x[other], layout.y[one] - layout.y[other]);
}

function nearest(seat, group, layout, places, isFree) {
  let best = null;
  let bestScore = Infinity;
  for (let index = 0; index < layout.count; index += 1) {
    if (!isFree(index) || !isEqual(index, seat, layout)) continue;
    let score = distance(index, seat, layout);
    if (score - BESIDE >= bestScore) continue;
    if (group.size > 0 && places.neighbours(index).some((other) => group.has(other))) score -= BESIDE;
    if (score < bestScore) [best, bestScore] = [index, score];
  }
  return best;
}

/** The nearest seats side by side, as many as were lost. */
function nearestRun(lost, layout, places, isFree) {
  let best = null;
  let bestScore = Infinity;
  for (const row of layout.rows) {
    let run = [];
    for (let index = row.first; index < row.first + row.count; index += 1) {
      const fits = isFree(index) && isEqual(index, lost[0], layout);
      if (!fits) run = [];
      else if (run.length > 0 && !places.adjacent(run.at(-1), index)) run = [index];
      else run.push(index);
      if (run.length < lost.length) continue;
      run = run.slice(-lost.length);
      const score = distance(run[Math.floor(run.length / 2)], lost[Math.floor(lost.length / 2)], layout);
      if (score < bestScore) [best, bestScore] = [run, score];
    }
  }
  return best;
}
