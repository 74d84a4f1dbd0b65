import assert from "node:assert/strict";
import { test } from "node:test";

import { SeatLayout } from "./js/seat_map/layout.js";

const price = { amount: 1250, currency: "EUR" };
const row = (name, seats, more = {}) => ({ name, seats, aisles_after: [], ...more });
const numbered = (name, count, more) => row(name, Array.from({ length: count }, (_, n) => `${name}${n + 1}`), more);
const section = (name, rows, more = {}) => ({ name, price, rows, ...more });
const layoutOf = (sections, more = {}) => new SeatLayout({ sections, ...more });
const places = (layout) => Array.from(layout.x, (x, seat) => [x, layout.y[seat]]);
const close = (got, wanted) => assert.ok(Math.abs(got - wanted) < 1e-3, `${got} is not ${wanted}`);
const span = (values) => Math.max(...values) - Math.min(...values);

test("three seats stand side by side, in the middle of their bounds", () => {
  const layout = layoutOf([section("Room", [numbered("A", 3)])]);
  assert.equal(layout.count, 3);
  assert.deepEqual([...layout.x], [-1, 0, 1]);
  assert.equal(span(layout.y), 0);
  assert.deepEqual([layout.bounds.left, layout.bounds.right], [-1.5, 1.5]);
  assert.deepEqual([layout.sectionOf[2], layout.rowOf[2], layout.kindOf(2)], [0, 0, "-"]);
  assert.deepEqual(layout.price(2), price);
});

test("labels are what they are: quotes, emoji, names of properties", () => {
  const labels = ['A"1', "O'Neill", "🎭1", "席12", "<b>", "__proto__", "constructor", "A 1"];
  const layout = layoutOf([section("S", [row("A", labels)])]);
  labels.forEach((label, seat) => {
    assert.equal(layout.label(seat), label);
    assert.equal(layout.indexOf(label), seat);
  });
  for (const label of ["", "a1", "toString", "hasOwnProperty"]) assert.equal(layout.indexOf(label), -1);
});

test("a short label leaves out the row's name and what stands before the number", () => {
  const layout = layoutOf([section("S", [row("C", ["C12", "C-13", "Left-C-14", "C", "Ж7"]), row("", ["B-1"])])]);
  assert.deepEqual(Array.from({ length: 6 }, (_, seat) => layout.shortLabel(seat)), ["12", "13", "14", "C", "Ж7", "B-1"]);
});

test("rows are centred in their order, sections one below the other, and an aisle is one seat wide", () => {
  const stalls = section("Stalls", [numbered("A", 4, { aisles_after: [2] }), numbered("B", 2)]);
  const layout = layoutOf([stalls, section("Circle", [numbered("C", 1)])]);
  assert.deepEqual([...layout.x], [-2, -1, 1, 2, -0.5, 0.5, 0]);
  assert.ok(layout.y[0] < layout.y[4] && layout.y[4] + 1 < layout.y[6]);
});

test("a straight row begins where it is told to and runs in its direction", () => {
  const down = numbered("A", 3, { x: 10, y: -4, angle: 90, pitch: 1.5, aisles_after: [1] });
  const layout = layoutOf([section("Box", [down])]);
  for (const [seat, y] of [-4, -1, 0.5].entries()) {
    close(layout.x[seat], 10);
    close(layout.y[seat], y);
    close(layout.angle[seat], Math.PI / 2);
  }
});

test("a curved row stays at its radius around the centre to its left, aisles included", () => {
  const radius = 20;
  const half = 4.5 / radius;
  const at = { x: -radius * Math.sin(half), y: radius * Math.cos(half), angle: (half * 180) / Math.PI, curve: radius };
  const layout = layoutOf([section("S", [numbered("A", 9, { ...at, aisles_after: [4] })])]);
  for (const [x, y] of places(layout)) close(Math.hypot(x, y), radius);
  close(layout.x[8], -layout.x[0]);
  close(layout.y[8], layout.y[0]);
  close(layout.angle[8], -layout.angle[0]);
  const turned = (seat) => Math.atan2(layout.x[seat], layout.y[seat]);
  close((turned(4) - turned(3)) * radius, 2);
});

test("a negative radius curves the other way", () => {
  const layout = layoutOf([section("S", [numbered("A", 3, { x: 0, y: 0, curve: -5 })])]);
  for (const [x, y] of places(layout)) close(Math.hypot(x, y - 5), 5);
});

test("a section without places stands below those that have some, and below the stage", () => {
  const placed = section("Stalls", [numbered("A", 3, { x: 0, y: 10 })]);
  const stage = { x: -5, y: 0, width: 12, height: 30 };
  const layout = layoutOf([section("Extra", [numbered("X", 2)]), placed], { stage });
  assert.ok(layout.y[0] > 30);
  assert.deepEqual([layout.x[2], layout.y[2]], [0, 10]);
  assert.deepEqual([layout.bounds.left, layout.bounds.top], [-5, 0]);
});

test("a row without a place follows the row before it", () => {
  const layout = layoutOf([section("S", [numbered("A", 2, { x: 3, y: 5 }), numbered("B", 2)])]);
  assert.equal(layout.x[2], 3);
  assert.ok(layout.y[2] > 5.9 && layout.y[2] < 7);
});

test("one very long row becomes a block", () => {
  for (const count of [120, 5_000, 100_000]) {
    const layout = layoutOf([section("", [row("", Array.from({ length: count }, (_, n) => String(n + 1)))])]);
    const shape = span(layout.x.subarray(0, 1000)) / (layout.bounds.bottom - layout.bounds.top);
    assert.ok(shape > 0.8 && shape < 2.5, `${count}: ${shape}`);
    const { perLine } = layout.rows[0];
    assert.equal(layout.x[perLine], layout.x[0]);
    assert.ok(layout.y[perLine] > layout.y[0]);
    assert.equal(layout.indexOf(String(count)), count - 1);
  }
});

test("many sections form columns", () => {
  const rows = () => Array.from({ length: 50 }, (_, n) => numbered(`R${n}-`, 100));
  const sections = Array.from({ length: 20 }, (_, n) => section(`Block ${n}`, rows()));
  const layout = layoutOf(sections);
  assert.equal(layout.count, 100_000);
  const { left, top, right, bottom } = layout.bounds;
  const shape = (right - left) / (bottom - top);
  assert.ok(shape > 0.8 && shape < 2.5, String(shape));
});

test("single seats have prices of their own, and a section names all it has", () => {
  const cheap = { amount: 500, currency: "EUR" };
  const odd = { amount: 700, currency: "EUR" };
  const prices = [{ seats: ["A1", "A3"], price: cheap }, { seats: ["A4"], price: odd }];
  const layout = layoutOf([section("S", [numbered("A", 4, { prices }), numbered("B", 1)]), section("T", [numbered("C", 1)])]);
  assert.deepEqual(Array.from({ length: 6 }, (_, seat) => layout.price(seat).amount), [500, 1250, 500, 700, 1250, 1250]);
  assert.deepEqual(layout.prices.map(({ amount }) => amount), [1250, 700, 500]);
  assert.deepEqual(layout.sections[0].prices.map(({ amount }) => amount), [1250, 700, 500]);
  assert.deepEqual(layout.sections[1].prices.map(({ amount }) => amount), [1250]);
});

test("a section whose seats all have prices of their own does not name its standard price", () => {
  const own = { amount: 300, currency: "EUR" };
  const layout = layoutOf([section("S", [numbered("A", 2, { prices: [{ seats: ["A1", "A2"], price: own }] })])]);
  assert.deepEqual(layout.sections[0].prices, [own]);
});

test("kinds are given per seat", () => {
  const layout = layoutOf([section("S", [numbered("A", 4)])], { kinds: "wc-r" });
  assert.deepEqual([0, 1, 2, 3].map((seat) => layout.kindOf(seat)), ["w", "c", "-", "r"]);
});

/** Whether a point is within a ring, by the even-odd rule. */
function isInside(ring, x, y) {
  let inside = false;
  for (let n = 0, m = ring.length - 2; n < ring.length; m = n, n += 2) {
    const [ax, ay, bx, by] = [ring[n], ring[n + 1], ring[m], ring[m + 1]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

function assertAround(layout) {
  for (const { outline, first, count } of layout.sections) {
    for (let seat = first; seat < first + count; seat += 1) {
      const { x, y } = { x: layout.x[seat], y: layout.y[seat] };
      assert.ok(outline.some((ring) => isInside(ring, x, y)), `seat ${layout.label(seat)} is outside`);
    }
  }
}

test("outlines have all seats of their section inside", () => {
  const curved = (name, count, y, curve) => numbered(name, count, { x: -count / 2, y, angle: 20, curve });
  assertAround(layoutOf([section("One", [numbered("A", 1)])]));
  assertAround(layoutOf([section("Turned", [numbered("A", 1, { x: 3, y: 3, angle: 37 })])]));
  assertAround(layoutOf([section("Rows", [numbered("A", 3), numbered("B", 12), numbered("C", 5)])]));
  assertAround(layoutOf([section("Arcs", [curved("A", 20, 10, 30), curved("B", 24, 11.3, 31.3), curved("C", 9, 13, 33)])]));
  const table = numbered("T", 8, { x: 0, y: 0, angle: 0, curve: -8 / (2 * Math.PI) });
  assertAround(layoutOf([section("Table", [table])]));
  const scattered = [numbered("A", 2, { x: 0, y: 0 }), numbered("B", 2, { x: 40, y: 3, angle: 80 }), numbered("C", 4, { x: 1, y: 1 })];
  const layout = layoutOf([section("Scattered", scattered)]);
  assertAround(layout);
  assert.equal(layout.sections[0].outline.length, 2);
});

test("an outline follows the rows: beside a short row there is less of it", () => {
  const [ring] = layoutOf([section("S", [numbered("A", 4), numbered("B", 20), numbered("C", 20)])]).sections[0].outline;
  assert.ok(isInside(ring, 0, 0.6));
  assert.ok(!isInside(ring, 8, 0.6));
  assert.ok(isInside(ring, 8, 1.8));
});

test("100,000 seats are laid out in a moment", () => {
  const rows = (block) => Array.from({ length: 50 }, (_, n) => numbered(`${block}-${n}-`, 100, { x: 0, y: n + 60 * block, curve: 300 }));
  const map = { sections: Array.from({ length: 20 }, (_, block) => section(`Block ${block}`, rows(block))) };
  const began = performance.now();
  const layout = new SeatLayout(map);
  layout.sections.forEach(({ outline }) => outline);
  const took = performance.now() - began;
  assert.equal(layout.count, 100_000);
  assert.ok(took < 1_500, `${took} ms`);
});
