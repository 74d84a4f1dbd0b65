/** Selecting seats: what may be selected, and keeping it across reloads and the log-in. */

/** What became of a tap on a seat. */
export const OUTCOME = Object.freeze({
  SELECTED: "selected",
  REMOVED: "removed",
  FULL: "full",
  TAKEN: "taken",
  MINE: "mine",
  BUSY: "busy",
});

export class Selection {
  /**
   * @param {import("./state.js").ShowState} state
   * @param {import("../seat_map/layout.js").SeatLayout} layout
   * @param {import("../seat_map/states.js").SeatStates} states
   * @param {import("./storage.js").TabStorage} storage
   */
  constructor(state, layout, states, storage) {
    this._state = state;
    this._layout = layout;
    this._states = states;
    this._storage = storage;
    this._name = `selection.${state.show.id}`;
    /** Labels of before a reload, until `restore` has selected them: seats may be selected sooner. */
    this._unrestored = storage.get(this._name)?.labels ?? [];
  }

  /** Whether a seat could be selected now, the limit aside. */
  isFree(index) {
    const own = this._state.changing;
    if (own !== null && own.seats.includes(this._layout.label(index))) return true;
    return this._states.isAvailable(index) && !this._state.mine.has(index);
  }

  /** Selects or deselects a seat. */
  toggle(index) {
    const { selected, mine, busy, changing, limit } = this._state;
    if (busy !== null && ["hold", "best", "change"].includes(busy.what)) return OUTCOME.BUSY;
    if (selected.has(index)) {
      this.remove([index]);
      return OUTCOME.REMOVED;
    }
    if (!this.isFree(index)) return mine.has(index) ? OUTCOME.MINE : OUTCOME.TAKEN;
    if (selected.size >= limit) {
      if (changing === null || limit !== 1) return OUTCOME.FULL;
      selected.clear();
    }
    this.add([index]);
    return OUTCOME.SELECTED;
  }

  /** Selects seats that are free, up to the limit. Returns those that it has selected. */
  add(indexes) {
    const added = [];
    for (const index of indexes) {
      if (this._state.selected.size >= this._state.limit) break;
      if (this._state.selected.has(index) || !this.isFree(index)) continue;
      this._state.selected.add(index);
      added.push(index);
    }
    this._save();
    return added;
  }

  remove(indexes) {
    for (const index of indexes) this._state.selected.delete(index);
    this._save();
  }

  clear() {
    this._state.selected.clear();
    this._save();
  }

  /** Selected seats that are not free any more. */
  lost() {
    return [...this._state.selected].filter((index) => !this.isFree(index));
  }

  labels() {
    return [...this._state.selected].sort((a, b) => a - b).map((index) => this._layout.label(index));
  }

  /** The indexes of labels; those that the layout does not have are left out. */
  indexesOf(labels) {
    return labels.map((label) => this._layout.indexOf(label)).filter((index) => index >= 0);
  }

  /** Selects again what was selected before a reload. Returns the seats that are gone. */
  restore() {
    const labels = this._storage.get(this._name)?.labels ?? [];
    this._unrestored = [];
    const before = this.indexesOf(labels);
    const gone = before.filter((index) => !this.isFree(index) && !this._state.mine.has(index));
    this.add(before);
    return gone;
  }

  _save() {
    if (this._state.changing === null) this._storage.set(this._name, { labels: [...new Set([...this._unrestored, ...this.labels()])] });
    this._state.changed();
  }
}
