/**
 * Where seats are on the map: as the layout says, or in rows of our own where it says nothing. Pure.
 *
 * Rows with `x` and `y` are placed there. Sections without are drawn below, one under the other, their rows centred in
 * their order; a row that is much longer than its section is deep is wrapped into a block, and many sections form
 * columns.
 */

const ROW_DISTANCE = 1.2;
const SECTION_GAP = 3.6;
const COLUMN_GAP = 4;
const LONG_ROW = 48;
const RADIANS = Math.PI / 180;

/**
 * @param {import("./layout.js").Section[]} sections - gets `perLine` and `size` of each row
 * @param {object[]} given - the same sections as in the JSON
 * @param {number} count - seats
 * @param {object | null} stage
 */
export function placeSeats(sections, given, count, stage) {
  const places = {
    x: new Float32Array(count),
    y: new Float32Array(count),
    angle: new Float32Array(count),
    bounds: { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity },
  };
  if (stage) extend(places.bounds, stage.x, stage.y, stage.x + stage.width, stage.y + stage.height);
  const waiting = [];
  sections.forEach((section, number) => {
    const rows = given[number].rows;
    if (rows.some(isPlaced)) placeSection(places, section, rows);
    else waiting.push(blockOf(section, rows));
  });
  if (waiting.length) placeBlocks(places, waiting);
  if (places.bounds.left > places.bounds.right) places.bounds = { left: 0, top: 0, right: 1, bottom: 1 };
  return places;
}

const isPlaced = (row) => row.x !== undefined || row.y !== undefined;

/** A section of which at least one row says where it is; the others follow the row before them. */
function placeSection(places, section, given) {
  const middles = given.filter(isWhole).map((row, _, all) => row.x / all.length);
  const left = middles.reduce((sum, part) => sum + part, 0);
  let y = given.find((row) => row.y !== undefined)?.y ?? 0;
  section.rows.forEach((row, number) => {
    const { x: givenX, y: givenY, angle = 0, curve = 0, pitch = 1 } = given[number];
    y = givenY ?? (number ? y + ROW_DISTANCE : y);
    placeRow(places, row, givenX ?? left, y, angle * RADIANS, curve, pitch);
  });
}

const isWhole = (row) => row.x !== undefined;

/** Places the seats of one row from its first seat on, along a line or an arc; an aisle takes one pitch. */
function placeRow(places, row, x, y, angle, curve, pitch) {
  const aisles = sortedAisles(row);
  row.size = Math.min(1, pitch);
  let passed = 0;
  const centreX = x + curve * Math.sin(angle);
  const centreY = y - curve * Math.cos(angle);
  for (let n = 0; n < row.count; n += 1) {
    while (passed < aisles.length && aisles[passed] <= n) passed += 1;
    const way = (n + passed) * pitch;
    const turned = curve ? angle - way / curve : angle;
    const seatX = curve ? centreX - curve * Math.sin(turned) : x + way * Math.cos(angle);
    const seatY = curve ? centreY + curve * Math.cos(turned) : y + way * Math.sin(angle);
    putSeat(places, row.first + n, seatX, seatY, turned, row.size / 2);
  }
}

function putSeat(places, seat, x, y, angle, half) {
  places.x[seat] = x;
  places.y[seat] = y;
  places.angle[seat] = angle;
  extend(places.bounds, x - half, y - half, x + half, y + half);
}

function extend(bounds, left, top, right, bottom) {
  if (left < bounds.left) bounds.left = left;
  if (top < bounds.top) bounds.top = top;
  if (right > bounds.right) bounds.right = right;
  if (bottom > bounds.bottom) bounds.bottom = bottom;
}

/** The largest value; `Math.max` takes no 100,000 arguments. */
const most = (list, value) => list.reduce((largest, one) => Math.max(largest, value(one)), 0);

const sortedAisles = (row) => row.aislesAfter.filter((after) => after < row.count).sort((a, b) => a - b);

/** Lines of a section that says nothing about places: one for each row, more for a wrapped one. */
function blockOf(section, given) {
  const rows = section.rows;
  const longest = most(rows, (row) => row.count + row.aislesAfter.length);
  const deep = rows.length * ROW_DISTANCE;
  const wrapped = longest > LONG_ROW && longest > 3 * deep ? lineLength(section.count) : Infinity;
  const lines = [];
  rows.forEach((row, number) => {
    const pitch = given[number].pitch ?? 1;
    row.size = Math.min(1, pitch);
    row.perLine = Math.min(row.count, wrapped);
    const aisles = sortedAisles(row);
    for (let from = 0; from < row.count; from += row.perLine) {
      const to = Math.min(row.count, from + row.perLine);
      const gaps = aisles.filter((after) => after > from && after < to);
      // The last line of a wrapped row begins where the others do.
      const slots = (row.perLine < row.count ? row.perLine : to - from) + gaps.length;
      lines.push({ row, from, to, gaps, pitch, width: (slots - 1) * pitch + 1 });
    }
  });
  return { lines, width: most(lines, (line) => line.width), height: lines.length * ROW_DISTANCE };
}

/** Seats in a line of a wrapped row: a round number that makes the block somewhat wider than high. */
function lineLength(count) {
  const ideal = Math.sqrt(count * ROW_DISTANCE * 1.5);
  const step = ideal > 40 ? 10 : 5;
  return Math.max(step, Math.round(ideal / step) * step);
}

/** Places blocks below what has a place, in as many columns as make the whole about as wide as a screen. */
function placeBlocks(places, blocks) {
  const { bounds } = places;
  const placed = bounds.left <= bounds.right;
  const middle = placed ? (bounds.left + bounds.right) / 2 : 0;
  let top = placed ? bounds.bottom + SECTION_GAP : 0;
  const columns = columnsFor(blocks);
  for (let from = 0; from < blocks.length; from += columns) {
    const shelf = blocks.slice(from, from + columns);
    const width = shelf.reduce((sum, block) => sum + block.width, (shelf.length - 1) * COLUMN_GAP);
    let left = middle - width / 2;
    for (const block of shelf) {
      const centre = left + block.width / 2;
      block.lines.forEach((line, number) => placeLine(places, line, centre, top + number * ROW_DISTANCE));
      left += block.width + COLUMN_GAP;
    }
    top += most(shelf, (block) => block.height) + SECTION_GAP;
  }
}

function placeLine(places, { row, from, to, gaps, pitch, width }, middle, y) {
  const first = middle - width / 2 + 0.5;
  let passed = 0;
  for (let n = from; n < to; n += 1) {
    while (passed < gaps.length && gaps[passed] <= n) passed += 1;
    putSeat(places, row.first + n, first + (n - from + passed) * pitch, y + ROW_DISTANCE / 2, 0, row.size / 2);
  }
}

function columnsFor(blocks) {
  const widest = most(blocks, (block) => block.width);
  const total = blocks.reduce((sum, block) => sum + block.height + SECTION_GAP, 0);
  if (blocks.length < 3 || total < 1.6 * widest) return 1;
  let best = 1;
  let least = Infinity;
  for (let columns = 1; columns <= blocks.length; columns += 1) {
    const shape = (columns * (widest + COLUMN_GAP)) / (total / columns);
    const miss = Math.abs(Math.log(shape / 1.4)) + (blocks.length % columns ? 0.15 : 0);
    if (miss < least) [best, least] = [columns, miss];
  }
  return best;
}
