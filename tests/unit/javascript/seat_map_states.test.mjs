import assert from "node:assert/strict";
import { test } from "node:test";

import { SeatLayout } from "./js/seat_map/layout.js";
import { SeatStates } from "./js/seat_map/states.js";

const price = { amount: 1, currency: "EUR" };
const sections = [
  { name: "S", price, rows: [{ name: "A", seats: ["A1", "A2", "A3"], aisles_after: [] }] },
  { name: "T", price, rows: [{ name: "B", seats: ["B1", 'B"2'], aisles_after: [] }] },
];

function fixture(states = "aahsb", version = 7) {
  const layout = new SeatLayout({ sections });
  const made = new SeatStates(layout, { version, states });
  const seen = [];
  made.addEventListener("change", ({ detail }) => seen.push(detail.indexes));
  return { states: made, seen, text: () => String.fromCharCode(...made.letters) };
}

test("the first picture is that of the map", () => {
  const { states, text } = fixture();
  assert.equal(text(), "aahsb");
  assert.equal(states.version, 7);
  assert.deepEqual([states.left(0), states.left(1), states.left()], [2, 0, 2]);
  assert.equal(states.letter(3), "s");
  assert.deepEqual([states.isAvailable(0), states.isAvailable(2)], [true, false]);
});

test("changes apply in order, are counted and reported", () => {
  const { states, seen, text } = fixture();
  assert.equal(states.apply(8, { A1: "h", A3: "a", B1: "a" }), true);
  assert.equal(text(), "haaab");
  assert.deepEqual([states.left(0), states.left(1), states.version], [2, 1, 8]);
  assert.deepEqual(seen, [[0, 2, 3]]);
});

test("a version that is not newer changes nothing", () => {
  const { states, seen, text } = fixture();
  for (const version of [7, 6, -1]) assert.equal(states.apply(version, { A1: "s" }), false);
  assert.equal(text(), "aahsb");
  assert.deepEqual([states.version, seen], [7, []]);
});

test("versions may leave numbers out", () => {
  const { states } = fixture();
  assert.equal(states.apply(20, { A1: "s" }), true);
  assert.equal(states.apply(19, { A2: "s" }), false);
  assert.deepEqual([states.version, states.left(0)], [20, 1]);
});

test("what is as it was is not reported, but its version counts", () => {
  const { states, seen } = fixture();
  assert.equal(states.apply(8, { A1: "a" }), true);
  assert.equal(states.apply(9, {}), true);
  assert.deepEqual([states.version, seen], [9, []]);
});

test("unknown labels and letters are left out", () => {
  const { states, seen, text } = fixture();
  states.apply(8, JSON.parse('{"Z9": "s", "__proto__": "s", "A1": "x", "A2": "", "B\\"2": "a"}'));
  assert.equal(text(), "aahsa");
  assert.deepEqual(seen, [[4]]);
});

test("a whole picture of the same or a later version replaces", () => {
  const { states, seen, text } = fixture();
  assert.equal(states.replace(7, "aahsb"), true);
  assert.equal(states.replace(9, "sahsa"), true);
  assert.equal(text(), "sahsa");
  assert.deepEqual([states.version, states.left(0), states.left(1)], [9, 1, 1]);
  assert.deepEqual(seen, [null]);
});

test("an older picture, or one of another layout, changes nothing", () => {
  const { states, text } = fixture();
  assert.equal(states.replace(6, "sssss"), false);
  assert.equal(states.replace(8, "ssss"), false);
  assert.equal(text(), "aahsb");
  assert.equal(states.version, 7);
});

test("after a restart an older picture counts", () => {
  const { states, text } = fixture();
  assert.equal(states.replace(2, "sssss", { restart: true }), true);
  assert.equal(text(), "sssss");
  assert.equal(states.apply(3, { A1: "a" }), true);
});

test("counts agree with the letters after many changes", () => {
  const { states } = fixture();
  const labels = ["A1", "A2", "A3", "B1", 'B"2'];
  for (let n = 0; n < 500; n += 1) {
    states.apply(8 + n, { [labels[(n * 7) % 5]]: "ahsb"[(n * 13 + (n >> 2)) % 4] });
    const left = [0, 0];
    states.letters.forEach((letter, seat) => (left[seat < 3 ? 0 : 1] += Number(letter === 97)));
    assert.deepEqual([states.left(0), states.left(1)], left);
  }
});

test("a show that its writer has not opened has version -1", () => {
  const { states } = fixture("aaaaa", -1);
  assert.equal(states.version, -1);
  assert.equal(states.apply(0, { A1: "h" }), true);
});
