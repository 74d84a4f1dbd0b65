/** Words on the map: sections' names with the seats that are left, and rows' names at their ends. */

import { ngettext, _ } from "../words.js";
import { hasRowNames, levelAt, SECTIONS } from "./levels.js";

const LARGE = { name: 14, count: 13, line: 17, padding: 10 };
const SMALL = { name: 12, count: 11, line: 14, padding: 7 };
const LARGE_FROM = 150;
const FRONT = 1.5;
const ROW_NAME_AT = 1.1;
/** Shorter rows have their name at one end only. */
const BOTH_ENDS = 7;

/** Where the words of sections stand. Computed once for a layout. */
export class Captions {
  #layout;
  #spans;
  #places;
  #widths = new Map();

  /**
   * @param {import("./layout.js").SeatLayout} layout
   * @param {import("./spans.js").SeatSpans} spans
   */
  constructor(layout, spans) {
    this.#layout = layout;
    this.#spans = spans;
    this.#places = layout.sections.map((section, number) => placesOf(layout, section, spans.sectionBox(number)));
  }

  /**
   * @param {CanvasRenderingContext2D} context - in CSS pixels
   * @param {import("./camera.js").Camera} camera
   * @param {import("./states.js").SeatStates} states
   * @param {import("./colours.js").Colours} colours
   */
  draw(context, camera, states, colours) {
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    if (levelAt(camera.scale) === SECTIONS) this.#drawCounts(context, camera, states, colours);
    else this.#drawNames(context, camera, colours);
    if (hasRowNames(camera.scale)) this.#drawRowNames(context, camera, colours);
  }

  /** Name and seats left on a plate in the middle of each section, largest first; just the name where that is full. */
  #drawCounts(context, camera, states, colours) {
    const taken = [];
    const order = this.#places.map((_place, number) => number);
    order.sort((a, b) => this.#layout.sections[b].count - this.#layout.sections[a].count);
    for (const number of order) {
      const { middle, across, deep } = this.#places[number];
      const place = camera.toScreen(middle.x, middle.y);
      if (place.x < -80 || place.y < -40 || place.x > camera.width + 80 || place.y > camera.height + 40) continue;
      const large = across * camera.scale >= LARGE_FROM && deep * camera.scale >= LARGE_FROM / 2;
      const sizes = large ? LARGE : SMALL;
      const left = states.left(number);
      const lines = [
        { text: this.#layout.sections[number].name, font: `600 ${sizes.name}px ${colours.font}`, colour: colours.ink },
        {
          text: left ? ngettext("{n} left", "{n} left", left) : _("Sold out"),
          font: `500 ${sizes.count}px ${colours.font}`,
          colour: colours.quiet,
        },
      ].filter(({ text }) => text);
      for (const some of [lines, lines.slice(0, 1)]) {
        const plate = this.#plate(context, place, some, sizes);
        if (taken.some((other) => overlaps(other, plate))) continue;
        taken.push(plate);
        drawPlate(context, plate, some, sizes, colours);
        break;
      }
    }
  }

  #plate(context, { x, y }, lines, sizes) {
    const widths = lines.map(({ text, font }) => this.#width(context, text, font));
    const width = Math.max(...widths) + 2 * sizes.padding;
    const height = lines.length * sizes.line + sizes.padding;
    return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
  }

  /** Names in front of sections, or beside those that have no room there. */
  #drawNames(context, camera, colours) {
    const size = Math.min(14, Math.max(11, camera.scale * 1.1));
    const font = `600 ${size}px ${colours.font}`;
    context.lineWidth = 4;
    for (const [number, { name }] of this.#layout.sections.entries()) {
      if (!name) continue;
      const halfWidth = this.#width(context, name, font) / 2 / camera.scale;
      const halfHeight = size / 2 / camera.scale;
      for (const place of namePlaces(this.#places[number], halfWidth, halfHeight)) {
        const { x, y } = camera.toScreen(place.x, place.y);
        const half = halfWidth * camera.scale;
        const isSeen = x > -half && y > -size && x < camera.width + half && y < camera.height + size;
        const isWhole = x - half > 0 && x + half < camera.width;
        if (!isSeen || (place.isBeside && !isWhole) || this.#isOnSeats(place, halfWidth, halfHeight)) continue;
        context.font = font;
        context.strokeStyle = colours.ground;
        context.strokeText(name, x, y);
        context.fillStyle = colours.ink;
        context.fillText(name, x, y);
        break;
      }
    }
  }

  #isOnSeats({ x, y }, halfWidth, halfHeight) {
    const layout = this.#layout;
    const [left, right] = [x - halfWidth - 0.45, x + halfWidth + 0.45];
    const [top, bottom] = [y - halfHeight - 0.45, y + halfHeight + 0.45];
    let found = false;
    this.#spans.within(left, top, right, bottom, (from, to) => {
      for (let seat = from; seat < to && !found; seat += 1) {
        found = layout.x[seat] > left && layout.x[seat] < right && layout.y[seat] > top && layout.y[seat] < bottom;
      }
    });
    return found;
  }

  #drawRowNames(context, camera, colours) {
    const layout = this.#layout;
    const size = Math.min(13, Math.max(8, camera.scale * 0.5));
    context.font = `500 ${size}px ${colours.font}`;
    context.fillStyle = colours.quiet;
    const { left, top, right, bottom } = camera.sight();
    const put = (name, seat, side) => {
      const x = layout.x[seat] + side * Math.cos(layout.angle[seat]) * ROW_NAME_AT;
      const y = layout.y[seat] + side * Math.sin(layout.angle[seat]) * ROW_NAME_AT;
      if (x < left - 1 || x > right + 1 || y < top - 1 || y > bottom + 1) return;
      const place = camera.toScreen(x, y);
      context.fillText(name, place.x, place.y + size * 0.06);
    };
    for (const row of layout.rows) {
      if (!row.name || row.name.length > 4) continue;
      put(row.name, row.first, -1);
      if (row.count >= BOTH_ENDS) put(row.name, row.first + Math.min(row.perLine, row.count) - 1, 1);
    }
  }

  #width(context, text, font) {
    const key = font + text;
    let width = this.#widths.get(key);
    if (width === undefined) {
      if (this.#widths.size > 2000) this.#widths.clear();
      context.font = font;
      this.#widths.set(key, (width = context.measureText(text).width));
    }
    return width;
  }
}

const overlaps = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

function drawPlate(context, plate, lines, sizes, colours) {
  context.beginPath();
  context.roundRect(plate.left, plate.top, plate.right - plate.left, plate.bottom - plate.top, 8);
  context.fillStyle = colours.plate;
  context.fill();
  const first = plate.top + (sizes.padding + sizes.line) / 2;
  for (const [n, { text, font, colour }] of lines.entries()) {
    context.font = font;
    context.fillStyle = colour;
    context.fillText(text, (plate.left + plate.right) / 2, first + n * sizes.line);
  }
}

/** Where a name of this size may stand: in front of the section, or to its left or right. */
function namePlaces({ foremost, forward, box, middle }, halfWidth, halfHeight) {
  const before = Math.max(FRONT, 0.75 + halfHeight);
  const front =
    foremost.count < BOTH_ENDS
      ? { x: (box.left + box.right) / 2, y: box.top - before - 0.2 }
      : { x: foremost.x + forward.x * before, y: foremost.y + forward.y * before };
  return [
    front,
    { x: box.left - 2.6 - halfWidth, y: middle.y, isBeside: true },
    { x: box.right + 2.6 + halfWidth, y: middle.y, isBeside: true },
  ];
}

/** The middle of a section, the middle of its foremost row, and the direction from one to the other. */
function placesOf(layout, section, box) {
  const middles = middlesOf(layout, section);
  const middle = { x: mean(middles, "x"), y: mean(middles, "y") };
  const { stage } = layout;
  const far = (place) =>
    stage ? Math.hypot(place.x - stage.x - stage.width / 2, place.y - stage.y - stage.height / 2) : place.y;
  const foremost = middles.reduce((a, b) => (far(b) < far(a) ? b : a));
  const away = Math.hypot(foremost.x - middle.x, foremost.y - middle.y);
  const forward =
    away > 0.3 ? { x: (foremost.x - middle.x) / away, y: (foremost.y - middle.y) / away } : { x: 0, y: -1 };
  return { middle, foremost, forward, box, across: box.right - box.left, deep: box.bottom - box.top };
}

/** The middle of each line of seats. */
function middlesOf(layout, section) {
  const middles = [];
  for (const { first, count, perLine } of section.rows) {
    for (let from = first; from < first + count; from += perLine) {
      const to = Math.min(from + perLine, first + count) - 1;
      const [low, high] = [Math.floor((from + to) / 2), Math.ceil((from + to) / 2)];
      const [x, y] = [(layout.x[low] + layout.x[high]) / 2, (layout.y[low] + layout.y[high]) / 2];
      middles.push({ x, y, count: to - from + 1 });
    }
  }
  return middles;
}

const mean = (places, axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length;
