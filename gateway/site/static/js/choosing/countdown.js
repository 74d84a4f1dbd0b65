/**
 * The clock of holds, by the service's time.
 *
 * It compares instants and counts nothing, so it is right after sleep, in a background tab and on a device whose clock is
 * wrong. Each warning is given once for each end of a hold: an extended hold warns again.
 */

/** Seconds before the end. */
export const WARNINGS = [120, 30];

/** Events `tick`; `warning` (detail: {hold, seconds}); `end` (detail: hold). */
export class Countdown extends EventTarget {
  /**
   * @param {import("./state.js").ShowState} state
   * @param {() => number} now milliseconds by the service's clock
   */
  constructor(state, now) {
    super();
    this._state = state;
    this._now = now;
    this._given = new Map();
    this._timer = 0;
    this.check = this.check.bind(this);
    state.addEventListener("change", this.check);
    document.addEventListener("visibilitychange", this.check);
    addEventListener("pageshow", this.check);
  }

  /** Seconds that are left of a hold, rounded up; 0 when it is over. */
  left(hold) {
    return Math.max(0, Math.ceil((Date.parse(hold.expires_at) - this._now()) / 1_000));
  }

  /** Gives what is due, and sets the timer for the next full second. */
  check() {
    clearTimeout(this._timer);
    if (this._state.holds.length === 0) return;
    this.dispatchEvent(new Event("tick"));
    for (const hold of this._state.holds) this._warn(hold, this.left(hold));
    const rest = Math.min(...this._state.holds.map((hold) => this._untilNextSecond(hold)));
    this._timer = setTimeout(this.check, rest);
  }

  _untilNextSecond(hold) {
    const left = Date.parse(hold.expires_at) - this._now();
    return left <= 0 ? 1_000 : (left % 1_000) + 5;
  }

  _warn(hold, seconds) {
    const key = `${hold.id} ${hold.expires_at}`;
    const before = this._given.get(key) ?? Infinity;
    const due = [...WARNINGS, 0].filter((limit) => seconds <= limit);
    const lowest = Math.min(...due, Infinity);
    if (lowest >= before) return;
    this._given.set(key, lowest);
    if (lowest === 0) this.dispatchEvent(new CustomEvent("end", { detail: hold }));
    else this.dispatchEvent(new CustomEvent("warning", { detail: { hold, seconds } }));
  }
}

/** Seconds as a clock: `4:05`. */
export function clockText(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
