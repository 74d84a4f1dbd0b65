/**
 * Outlines of sections: rings around their seats that follow the rows. Pure.
 *
 * Rows that stand close together form a block. Where its rows lie one behind the other, its ring runs along the first
 * row, down the rows' ends, and back along the last; any other block gets its convex hull.
 */

const MARGIN = 0.75;
/** Rows have their names at their ends, within the outline; short ones only before their first seat. */
const NAME_MARGIN = 1.5;
const END_MARGIN = 0.9;
const SHORT = 7;
/** Not farther apart than across an aisle. */
const NEAR = 2.6;
/** Along a curve there is a point every few degrees. */
const BEND = 0.06;
/** How far the ring may be off: along rows, and along their ends. */
const FINE = 0.03;
const ROUGH = 0.3;
const MANY_LINES = 600;

/**
 * @param {import("./layout.js").SeatLayout} layout
 * @param {import("./layout.js").Section} section
 * @returns {Float32Array[]}
 */
export function outlineOf(layout, section) {
  const lines = section.rows.flatMap((row) => linesOf(layout, row));
  if (lines.length > MANY_LINES) return [Float32Array.from(convexRing(lines))];
  return blocksOf(lines).map((block) => Float32Array.from(rowRing(block) ?? convexRing(block)));
}

/** Points along each line of a row: its ends, and enough between them to follow a curve. */
function linesOf(layout, row) {
  const lines = [];
  for (let from = row.first; from < row.first + row.count; from += row.perLine) {
    const to = Math.min(from + row.perLine, row.first + row.count) - 1;
    const bends = Math.ceil(Math.abs(layout.angle[to] - layout.angle[from]) / BEND);
    const pieces = Math.min(to - from, Math.max(1, bends));
    const points = [];
    for (let n = 0; n <= pieces; n += 1) {
      const seat = pieces ? from + Math.round((n * (to - from)) / pieces) : from;
      points.push({ x: layout.x[seat], y: layout.y[seat], angle: layout.angle[seat] });
    }
    lines.push({ points, count: to - from + 1, ...extentOf(points) });
  }
  return lines;
}

function extentOf(points) {
  const extent = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
  for (const { x, y } of points) {
    if (x < extent.left) extent.left = x;
    if (x > extent.right) extent.right = x;
    if (y < extent.top) extent.top = y;
    if (y > extent.bottom) extent.bottom = y;
  }
  return extent;
}

/** Groups lines that stand close together. Lines follow each other mostly, so that the last block is tried first. */
function blocksOf(lines) {
  const blocks = [];
  for (const line of lines) {
    const near = [];
    for (let n = blocks.length - 1; n >= 0; n -= 1) if (touches(blocks[n], line)) near.push(n);
    if (!near.length) {
      blocks.push({ ...line, lines: [line] });
      continue;
    }
    const block = blocks[near.at(-1)];
    for (const n of near.slice(0, -1)) {
      for (const other of blocks[n].lines) addLine(block, other);
      blocks.splice(n, 1);
    }
    addLine(block, line);
  }
  return blocks.map((block) => block.lines);
}

function addLine(block, line) {
  block.lines.push(line);
  block.left = Math.min(block.left, line.left);
  block.right = Math.max(block.right, line.right);
  block.top = Math.min(block.top, line.top);
  block.bottom = Math.max(block.bottom, line.bottom);
}

const apart = (a, b, near) =>
  a.left - b.right > near || b.left - a.right > near || a.top - b.bottom > near || b.top - a.bottom > near;

function touches(block, line) {
  if (apart(block, line, NEAR)) return false;
  for (let n = block.lines.length - 1; n >= 0; n -= 1) {
    const other = block.lines[n];
    if (apart(other, line, NEAR)) continue;
    for (const a of other.points) if (distanceTo(line.points, a) < NEAR) return true;
    for (const b of line.points) if (distanceTo(other.points, b) < NEAR) return true;
  }
  return false;
}

/** The distance of a point from a polyline. */
function distanceTo(points, { x, y }) {
  let least = Math.hypot(points[0].x - x, points[0].y - y);
  for (let n = 1; n < points.length; n += 1) {
    const a = points[n - 1];
    const [dx, dy] = [points[n].x - a.x, points[n].y - a.y];
    const along = ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy || 1);
    const t = Math.min(1, Math.max(0, along));
    least = Math.min(least, Math.hypot(a.x + t * dx - x, a.y + t * dy - y));
  }
  return least;
}

/** The ring of lines that lie one behind the other, or null where they do not. */
function rowRing(lines) {
  const longest = lines.reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a));
  const from = longest.points[0];
  const to = longest.points.at(-1);
  const direction = longest.points.length > 1 ? Math.atan2(to.y - from.y, to.x - from.x) : from.angle;
  const [ux, uy] = [Math.cos(direction), Math.sin(direction)];
  const ordered = [];
  for (const line of lines) {
    const points = along(line.points, ux, uy);
    if (points === null) return null;
    const middle = points[points.length >> 1];
    const [start, end] = [points[0], points.at(-1)];
    ordered.push({
      points,
      depth: middle.y * ux - middle.x * uy,
      low: start.x * ux + start.y * uy,
      high: end.x * ux + end.y * uy,
    });
  }
  ordered.sort((a, b) => a.depth - b.depth);
  for (let n = 1; n < ordered.length; n += 1) {
    const [before, after] = [ordered[n - 1], ordered[n]];
    const shared = Math.min(before.high, after.high) - Math.max(before.low, after.low);
    if (after.depth - before.depth < 0.4 || shared < -0.5) return null;
  }
  const endMargin = lines.every(({ count }) => count < SHORT) ? END_MARGIN : NAME_MARGIN;
  const ring = ringAround(ordered.map(({ points }) => points), NAME_MARGIN, endMargin);
  return lines.every(({ points }) => points.every(({ x, y }) => isInside(ring, x, y))) ? ring : null;
}

/** Along the front of the first row, down one side, along the back of the last row, and up the other side. */
function ringAround(rows, left, right) {
  const [first, last] = [rows[0], rows.at(-1)];
  const front = [
    beside(first[0], -MARGIN, -left),
    ...first.map((point) => beside(point, -MARGIN, 0)),
    beside(first.at(-1), -MARGIN, right),
  ];
  const back = [
    beside(last.at(-1), MARGIN, right),
    ...last.toReversed().map((point) => beside(point, MARGIN, 0)),
    beside(last[0], MARGIN, -left),
  ];
  const down = rows.flatMap((points) => ends(points.at(-1), right));
  const up = rows.flatMap((points) => ends(points[0], -left)).toReversed();
  return [front, down, back, up].flatMap((way, n) => simplified(way, n % 2 ? ROUGH : FINE)).flat();
}

const lengthOf = ({ left, right, top, bottom }) => Math.hypot(right - left, bottom - top);

/** The points in the direction u with their rows' angles turned that way; null for a row that bends back. */
function along(points, ux, uy) {
  const way = (point) => point.x * ux + point.y * uy;
  const ordered = way(points[0]) > way(points.at(-1)) ? points.toReversed() : points;
  const turned = ordered.map(({ x, y, angle }) => {
    const facing = Math.cos(angle) * ux + Math.sin(angle) * uy;
    return { x, y, angle: facing < 0 ? angle + Math.PI : angle, facing: Math.abs(facing) };
  });
  for (let n = 0; n < turned.length; n += 1) {
    if (turned[n].facing < 0.2) return null;
    if (n && way(turned[n]) <= way(turned[n - 1])) return null;
  }
  return turned;
}

/** The place that is so far behind a point of a row, and so far beside it. */
function beside({ x, y, angle }, behind, aside) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [x + cos * aside - sin * behind, y + sin * aside + cos * behind];
}

const ends = (point, aside) => [beside(point, -MARGIN * 0.6, aside), beside(point, MARGIN * 0.6, aside)];

/** The way without the points that are no farther than this from it (Ramer, Douglas, Peucker). */
function simplified(way, tolerance) {
  if (way.length < 3) return way;
  const [from, to] = [way[0], way.at(-1)];
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  let most = 0;
  let at = 0;
  for (let n = 1; n < way.length - 1; n += 1) {
    const off = Math.abs((way[n][0] - from[0]) * dy - (way[n][1] - from[1]) * dx) / length;
    if (off > most) [most, at] = [off, n];
  }
  if (most <= tolerance) return [from, to];
  return [...simplified(way.slice(0, at + 1), tolerance).slice(0, -1), ...simplified(way.slice(at), tolerance)];
}

/** Whether a point is within a ring, by the even-odd rule. */
function isInside(ring, x, y) {
  let inside = false;
  for (let n = 0, m = ring.length - 2; n < ring.length; m = n, n += 2) {
    const [ay, by] = [ring[n + 1], ring[m + 1]];
    if (ay > y !== by > y && x < ((ring[m] - ring[n]) * (y - ay)) / (by - ay) + ring[n]) inside = !inside;
  }
  return inside;
}

/** The convex hull, by Andrew's monotone chain, of octagons around the points. */
function convexRing(lines) {
  const points = [];
  for (const line of lines) {
    for (const { x, y } of line.points) {
      for (let n = 0; n < 8; n += 1) {
        const turn = (n * Math.PI) / 4;
        points.push([x + MARGIN * Math.cos(turn), y + MARGIN * Math.sin(turn)]);
      }
    }
  }
  points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return [...half(points), ...half(points.toReversed())].flat();
}

function half(points) {
  const chain = [];
  for (const point of points) {
    while (chain.length > 1 && cross(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
    chain.push(point);
  }
  chain.pop();
  return chain;
}

const cross = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
