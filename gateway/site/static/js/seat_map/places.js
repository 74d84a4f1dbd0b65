/** Neighbours of seats: side by side in a row, without an aisle between. Pure. */

export class Places {
  /** @param {import("./layout.js").SeatLayout} layout */
  constructor(layout) {
    this._layout = layout;
    this._aisles = new Map();
  }

  /** The row of a seat. */
  rowOf(index) {
    return this._layout.rows[this._layout.rowOf[index]];
  }

  /** Whether two seats are side by side: the same row, no aisle between. */
  adjacent(one, other) {
    if (Math.abs(one - other) !== 1 || this._layout.rowOf[one] !== this._layout.rowOf[other]) return false;
    const row = this.rowOf(one);
    return !this._aislesOf(row).has(Math.max(one, other) - row.first);
  }

  /** The seats beside a seat, without an aisle between. */
  neighbours(index) {
    return [index - 1, index + 1].filter(
      (other) => other >= 0 && other < this._layout.count && this.adjacent(index, other),
    );
  }

  _aislesOf(row) {
    let aisles = this._aisles.get(row);
    if (aisles === undefined) this._aisles.set(row, (aisles = new Set(row.aislesAfter)));
    return aisles;
  }
}
