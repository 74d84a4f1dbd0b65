/** Movements of the camera over time: a flight to another place, and the slide after a swipe. Pure. */

const FLIGHT_MS = 320;
const SLIDE_MS = 260;
const LEAST_SPEED = 0.05;

/** A movement gives the camera at a time after its start, in milliseconds; `ends` is where it leads. */
export function flight(from, to) {
  const at = (passed) => from.towards(to, eased(passed / FLIGHT_MS));
  return { ends: to, at, isDone: (passed) => passed >= FLIGHT_MS };
}

/** @param {number} vx - CSS pixels a millisecond */
export function slide(from, vx, vy) {
  if (Math.hypot(vx, vy) < LEAST_SPEED) return null;
  const at = (passed) => {
    const way = SLIDE_MS * (1 - Math.exp(-passed / SLIDE_MS));
    return from.panBy(vx * way, vy * way);
  };
  return { ends: null, at, isDone: (passed) => passed > SLIDE_MS * 4 };
}

const eased = (part) => (part >= 1 ? 1 : 1 - (1 - part) ** 3);
