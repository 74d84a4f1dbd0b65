/** When seats changed on the live map, and how many changed since somebody asked. */

import { AVAILABLE } from "../seat_map/states.js";

const REMEMBERED = 5_000;

export class RecentChanges {
  /**
   * @param {import("../seat_map/states.js").SeatStates} states
   * @param {() => number} now milliseconds by the service's clock
   */
  constructor(states, now) {
    this._states = states;
    this._now = now;
    this._at = new Map();
    this._before = states.letters.slice();
    this._since = now();
    states.addEventListener("change", ({ detail }) => this._note(detail?.indexes ?? null));
  }

  /** Seconds since a seat changed; null where that is not known. */
  secondsSince(index) {
    const at = this._at.get(index);
    return at === undefined ? null : Math.max(0, this._now() - at) / 1_000;
  }

  /**
   * What is different since the last call, or since the page was opened.
   * @returns {{since: number, taken: number[], freed: number[]}}
   */
  take() {
    const { letters } = this._states;
    const [taken, freed] = [[], []];
    for (let index = 0; index < letters.length; index += 1) {
      if (letters[index] === this._before[index]) continue;
      const [was, is] = [this._before[index] === AVAILABLE, letters[index] === AVAILABLE];
      if (was && !is) taken.push(index);
      else if (!was && is) freed.push(index);
    }
    const since = this._since;
    this._before = letters.slice();
    this._since = this._now();
    return { since, taken, freed };
  }

  _note(indexes) {
    if (indexes === null) return;
    const now = this._now();
    for (const index of indexes) {
      this._at.delete(index);
      this._at.set(index, now);
    }
    for (const oldest of this._at.keys()) {
      if (this._at.size <= REMEMBERED) break;
      this._at.delete(oldest);
    }
  }
}
