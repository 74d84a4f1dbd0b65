/**
 * The state of each seat, as of one version: `a` available, `h` held, `s` sold, `b` blocked. Pure but for its events.
 */

export const AVAILABLE = "a".charCodeAt(0);
export const HELD = "h".charCodeAt(0);
export const SOLD = "s".charCodeAt(0);
export const BLOCKED = "b".charCodeAt(0);
const LETTERS = new Set([AVAILABLE, HELD, SOLD, BLOCKED]);

/** Fires `change` with `detail: {indexes}`: the seats that changed, or null when any may have. */
export class SeatStates extends EventTarget {
  #layout;
  #left;

  /**
   * @param {import("./layout.js").SeatLayout} layout
   * @param {{version: number, states: string}} [map] - the JSON that the layout was made of
   */
  constructor(layout, map) {
    super();
    this.#layout = layout;
    this.#left = new Uint32Array(layout.sections.length);
    /** Character codes of the letters, one for each seat. */
    this.letters = new Uint8Array(layout.count).fill(AVAILABLE);
    this.version = -Infinity;
    this.#count();
    if (map) this.replace(map.version, map.states);
  }

  /**
   * Takes a whole picture. Returns false, and changes nothing, for one that is older than what is known or does not
   * fit the layout.
   *
   * @param {number} version
   * @param {string} states - one letter for each seat, in layout order
   * @param {{restart?: boolean}} [options] - `restart`: take an older one too, as after a restored backup
   */
  replace(version, states, { restart = false } = {}) {
    if (states.length !== this.letters.length || (version < this.version && !restart)) return false;
    this.version = version;
    const changed = [];
    for (let seat = 0; seat < states.length; seat += 1) {
      const letter = states.charCodeAt(seat);
      if (letter === this.letters[seat]) continue;
      this.letters[seat] = letter;
      changed.push(seat);
    }
    if (changed.length === 0) return true;
    this.#count();
    this.#report(changed.length > this.letters.length / 8 ? null : changed);
    return true;
  }

  /**
   * Applies changes. Returns false, and changes nothing, for a version that is not newer.
   *
   * @param {number} version
   * @param {Record<string, string>} changes - label → letter
   */
  apply(version, changes) {
    if (version <= this.version) return false;
    this.version = version;
    const changed = [];
    for (const label in changes) {
      const seat = this.#layout.indexOf(label);
      const letter = changes[label].charCodeAt(0);
      if (seat < 0 || !LETTERS.has(letter) || this.letters[seat] === letter) continue;
      const before = this.letters[seat];
      this.letters[seat] = letter;
      const section = this.#layout.sectionOf[seat];
      if (before === AVAILABLE) this.#left[section] -= 1;
      else if (letter === AVAILABLE) this.#left[section] += 1;
      changed.push(seat);
    }
    if (changed.length) this.#report(changed);
    return true;
  }

  /** Returns the number of available seats of a section, or of all without one. */
  left(section) {
    return section === undefined ? this.#left.reduce((sum, n) => sum + n, 0) : this.#left[section];
  }

  /** Returns the seat's letter. */
  letter(seat) {
    return String.fromCharCode(this.letters[seat]);
  }

  /** Returns whether the seat can be chosen. */
  isAvailable(seat) {
    return this.letters[seat] === AVAILABLE;
  }

  #count() {
    this.#layout.sections.forEach(({ first, count }, section) => {
      let left = 0;
      for (let seat = first; seat < first + count; seat += 1) if (this.letters[seat] === AVAILABLE) left += 1;
      this.#left[section] = left;
    });
  }

  #report(indexes) {
    this.dispatchEvent(new CustomEvent("change", { detail: { indexes } }));
  }
}
