/**
 * Spatial index: which seats are within a rectangle, and which is nearest to a point. Pure.
 *
 * Seats that follow each other stand together, so an index of short spans of them, grouped by section, finds the few
 * that matter without a tree.
 */

const LENGTH = 24;

export class SeatSpans {
  #layout;
  #starts = [];
  #boxes;
  #sectionBoxes;
  #firstSpan;

  /** @param {import("./layout.js").SeatLayout} layout */
  constructor(layout) {
    this.#layout = layout;
    this.#firstSpan = new Uint32Array(layout.sections.length + 1);
    layout.sections.forEach(({ first, count }, section) => {
      for (let seat = first; seat < first + count; seat += LENGTH) this.#starts.push(seat);
      this.#firstSpan[section + 1] = this.#starts.length;
    });
    this.#starts.push(layout.count);
    this.#boxes = new Float32Array((this.#starts.length - 1) * 4);
    this.#sectionBoxes = new Float32Array(layout.sections.length * 4);
    const { x, y } = layout;
    for (let section = 0; section < layout.sections.length; section += 1) {
      const whole = [Infinity, Infinity, -Infinity, -Infinity];
      for (let span = this.#firstSpan[section]; span < this.#firstSpan[section + 1]; span += 1) {
        let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
        for (let seat = this.#starts[span]; seat < this.#starts[span + 1]; seat += 1) {
          if (x[seat] < left) left = x[seat];
          if (x[seat] > right) right = x[seat];
          if (y[seat] < top) top = y[seat];
          if (y[seat] > bottom) bottom = y[seat];
        }
        this.#boxes.set([left, top, right, bottom], span * 4);
        if (left < whole[0]) whole[0] = left;
        if (top < whole[1]) whole[1] = top;
        if (right > whole[2]) whole[2] = right;
        if (bottom > whole[3]) whole[3] = bottom;
      }
      this.#sectionBoxes.set(whole, section * 4);
    }
  }

  /** Returns what the middles of a section's seats take up. */
  sectionBox(section) {
    const [left, top, right, bottom] = this.#sectionBoxes.subarray(section * 4, section * 4 + 4);
    return { left, top, right, bottom };
  }

  /** Calls `visit(from, to)` for each span of seats of which some may have their middle in the rectangle. */
  within(left, top, right, bottom, visit) {
    const boxes = this.#boxes;
    for (let section = 0; section < this.#layout.sections.length; section += 1) {
      if (misses(this.#sectionBoxes, section * 4, left, top, right, bottom)) continue;
      for (let span = this.#firstSpan[section]; span < this.#firstSpan[section + 1]; span += 1) {
        if (misses(boxes, span * 4, left, top, right, bottom)) continue;
        visit(this.#starts[span], this.#starts[span + 1]);
      }
    }
  }

  /** Returns the seat whose middle is nearest to a point and not farther than `reach`, or -1. */
  nearest(pointX, pointY, reach) {
    const { x, y } = this.#layout;
    let found = -1;
    let least = reach * reach;
    this.within(pointX - reach, pointY - reach, pointX + reach, pointY + reach, (from, to) => {
      for (let seat = from; seat < to; seat += 1) {
        const [dx, dy] = [x[seat] - pointX, y[seat] - pointY];
        const distance = dx * dx + dy * dy;
        if (distance <= least) [found, least] = [seat, distance];
      }
    });
    return found;
  }
}

const misses = (boxes, at, left, top, right, bottom) =>
  boxes[at] > right || boxes[at + 1] > bottom || boxes[at + 2] < left || boxes[at + 3] < top;
