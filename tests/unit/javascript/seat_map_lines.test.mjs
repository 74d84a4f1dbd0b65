import assert from "node:assert/strict";
import { test } from "node:test";

import { findSeat, linesOf, pagesOf } from "./js/seat_map/lines.js";

/** A layout of one section with these rows: name, seats, distance from the stage. */
function layout(...rows) {
  const made = { sections: [{ rows: [] }], y: [] };
  for (const [name, count, y] of rows) {
    made.sections[0].rows.push({ name, first: made.y.length, count });
    made.y.push(...Array(count).fill(y));
  }
  return made;
}

test("rows are listed from the stage on, whatever the order of the layout", () => {
  const lines = linesOf(layout(["J", 3, 8], ["K", 2, 9], ["H", 2, 7]), 0);
  assert.deepEqual(lines, [
    { name: "H", seats: [5, 6] },
    { name: "J", seats: [0, 1, 2] },
    { name: "K", seats: [3, 4] },
  ]);
});

test("rows side by side keep their order", () => {
  assert.deepEqual(linesOf(layout(["B", 1, 2], ["A", 1, 2]), 0).map(({ name }) => name), ["B", "A"]);
});

test("a very long row is listed in pieces, and pages are bounded", () => {
  const pages = pagesOf(linesOf(layout(["", 1000, 0]), 0));
  assert.ok(pages.length > 1);
  assert.ok(pages.flat().every(({ seats }) => seats.length <= 20));
  assert.ok(pages.every((page) => page.reduce((sum, { seats }) => sum + seats.length, 0) <= 450));
  assert.deepEqual(findSeat(pages, 999), { page: pages.length - 1, line: pages.at(-1).length - 1, column: 19 });
  assert.equal(findSeat(pages, 1000), null);
});

test("there is one page where nothing is shown", () => {
  assert.deepEqual(pagesOf(linesOf(layout(["A", 2, 0]), 0, () => false)), [[]]);
});
