import assert from "node:assert/strict";
import { test } from "node:test";

import { Camera } from "./js/seat_map/camera.js";
import { SeatLayout } from "./js/seat_map/layout.js";
import { levelAt } from "./js/seat_map/levels.js";
import { flight, slide } from "./js/seat_map/movement.js";
import { SeatSpans } from "./js/seat_map/spans.js";

const bounds = { left: -50, top: 0, right: 50, bottom: 80 };
const camera = () => new Camera(bounds, 800, 600);
const close = (got, wanted, off = 1e-6) => assert.ok(Math.abs(got - wanted) <= off, `${got} is not ${wanted}`);

test("at first the whole map is in sight, and no more can be", () => {
  const whole = camera();
  const { left, top, right, bottom } = whole.sight();
  assert.ok(left <= -50 && right >= 50 && top <= 0 && bottom >= 80);
  assert.equal(whole.isZoomed, false);
  assert.equal(whole.zoomAt(0.5).scale, whole.scale);
  assert.deepEqual(whole.panBy(300, 200).sight(), whole.sight());
});

test("screen and map are inverse to each other", () => {
  const near = camera().zoomAt(3, 100, 500);
  const { x, y } = near.toMap(123, 456);
  const back = near.toScreen(x, y);
  close(back.x, 123);
  close(back.y, 456);
});

test("what is under the pointer stays there while zooming", () => {
  const before = camera().zoomAt(4);
  const { x, y } = before.toMap(200, 450);
  const after = before.zoomAt(1.5, 200, 450).toScreen(x, y);
  close(after.x, 200);
  close(after.y, 450);
});

test("the map cannot be pushed out of sight", () => {
  const near = camera().zoomAt(6);
  for (const [dx, dy] of [[1e6, 0], [-1e6, 0], [0, 1e6], [0, -1e6]]) {
    const { left, top, right, bottom } = near.panBy(dx, dy).sight();
    assert.ok(left > -60 && right < 60 && top > -10 && bottom < 90);
  }
});

test("zooming ends at a size at which one seat is large", () => {
  const near = camera().zoomAt(1e9);
  assert.ok(near.scale > 40 && near.scale < 80);
  assert.equal(near.canZoomIn, false);
});

test("a map of one seat does not fill the screen", () => {
  const one = new Camera({ left: 0, top: 0, right: 1, bottom: 1 }, 1000, 800);
  assert.ok(one.scale <= 40);
  const { x, y } = one.toScreen(0.5, 0.5);
  close(x, 500);
  close(y, 400);
});

test("a viewport without a size does no harm", () => {
  const none = new Camera(bounds, 0, 0);
  assert.ok(Number.isFinite(none.scale) && none.scale > 0);
  assert.ok(none.resize(400, 300).scale > none.scale);
});

test("after resizing the whole map is still whole, and a part stays in the middle", () => {
  const whole = camera().resize(400, 900);
  assert.equal(whole.isZoomed, false);
  const near = camera().zoomAt(5).panBy(-200, 100);
  const turned = near.resize(500, 700);
  close(turned.x, near.x);
  close(turned.y, near.y);
  close(turned.scale, near.scale);
});

test("a part is shown as large as it can be, but not larger than seats need to be", () => {
  const part = camera().fitPart({ left: 10, top: 10, right: 30, bottom: 20 });
  const { left, top, right, bottom } = part.sight();
  assert.ok(left <= 10 && right >= 30 && top <= 10 && bottom >= 20);
  assert.ok(camera().fitPart({ left: 10, top: 10, right: 11, bottom: 11 }).scale <= 40);
});

test("a flight starts here, ends there and never turns back", () => {
  const from = camera();
  const to = from.zoomAt(8, 700, 100);
  const { at, isDone, ends } = flight(from, to);
  assert.deepEqual(at(0).sight(), from.sight());
  assert.equal(at(1e4), to);
  assert.equal(ends, to);
  assert.ok(!isDone(10) && isDone(1000));
  let last = 0;
  for (let passed = 0; passed <= 320; passed += 20) {
    assert.ok(at(passed).scale >= last);
    last = at(passed).scale;
  }
});

test("a swipe slides on and comes to rest; a slow one does not", () => {
  const near = camera().zoomAt(6);
  assert.equal(slide(near, 0.01, 0), null);
  const { at, isDone } = slide(near, -1, 0);
  assert.ok(at(50).x > near.x && at(400).x > at(50).x);
  close(at(2000).x, at(1800).x, 0.01);
  assert.ok(isDone(2000));
});

test("levels of detail follow each other", () => {
  assert.deepEqual([1, 6, 20].map(levelAt), ["sections", "dots", "seats"]);
});

test("the nearest seat is found within reach, and seats of a rectangle all", () => {
  const price = { amount: 1, currency: "EUR" };
  const rows = Array.from({ length: 30 }, (_, n) => ({
    name: `${n}`,
    seats: Array.from({ length: 40 }, (_, seat) => `${n}-${seat}`),
    aisles_after: [],
    x: 0,
    y: n,
    curve: -60,
  }));
  const layout = new SeatLayout({ sections: [{ name: "S", price, rows }] });
  const spans = new SeatSpans(layout);
  for (let seat = 0; seat < layout.count; seat += 17) {
    assert.equal(spans.nearest(layout.x[seat] + 0.05, layout.y[seat] - 0.05, 0.4), seat);
  }
  assert.equal(spans.nearest(-3, -3, 0.6), -1);
  const found = new Set();
  spans.within(5, 5, 12, 9, (from, to) => {
    for (let seat = from; seat < to; seat += 1) found.add(seat);
  });
  for (let seat = 0; seat < layout.count; seat += 1) {
    const inside = layout.x[seat] >= 5 && layout.x[seat] <= 12 && layout.y[seat] >= 5 && layout.y[seat] <= 9;
    if (inside) assert.ok(found.has(seat));
  }
  assert.ok(found.size < layout.count / 2);
});
