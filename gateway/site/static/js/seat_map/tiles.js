/**
 * The map at one scale, as square pictures that are painted when they come into sight and kept: panning only copies
 * them, and a changed seat repaints its place.
 */

import { DotPainter } from "./dots.js";
import { hasLabels, levelAt, SEATS } from "./levels.js";
import { drawSections } from "./shapes.js";
import { labelColour, SeatSprites } from "./sprites.js";

export const SIDE = 256;
const LEAST_ROOM = 72;
const QUARTER = Math.PI / 2;
const FLAT = 0.003;
const SMALLEST_TEXT = 6.5;

export class TileSet {
  #map;
  #tiles = new Map();
  #dots;
  #sprites;
  #level;
  #ratio;

  /**
   * @param {import("./painter.js").MapParts} map
   * @param {number} scale - device pixels for the width of a seat
   * @param {number} ratio - device pixels for a CSS pixel
   */
  constructor(map, scale, ratio) {
    this.#map = map;
    this.#ratio = ratio;
    this.#level = levelAt(scale / ratio);
    this.scale = scale;
    /** How many tiles are kept; those that were not used for longest give way. */
    this.room = LEAST_ROOM;
    if (this.#level === SEATS) this.#sprites = new SeatSprites(map.colours, scale);
    else this.#dots = new DotPainter(map.colours, scale);
    const { bounds } = map;
    this.columns = Math.ceil(((bounds.right - bounds.left) * scale) / SIDE);
    this.rows = Math.ceil(((bounds.bottom - bounds.top) * scale) / SIDE);
  }

  /** Returns the picture of a tile, or undefined where it was not painted yet. */
  picture(column, row) {
    const key = row * this.columns + column;
    const tile = this.#tiles.get(key);
    if (tile === undefined) return undefined;
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    return tile.canvas;
  }

  /** Returns whether a tile must be painted before it shows what is. */
  isStale(column, row) {
    const tile = this.#tiles.get(row * this.columns + column);
    return tile === undefined || tile.stale || tile.seats.length > 0;
  }

  /** Marks seats, or all, to be painted again. @param {number[] | null} seats */
  invalidate(seats) {
    if (seats === null) {
      for (const tile of this.#tiles.values()) tile.stale = true;
      return;
    }
    const { layout, bounds } = this.#map;
    const reach = this.#sprites ? this.#sprites.side / 2 : this.#dots.reach;
    for (const seat of seats) {
      const x = (layout.x[seat] - bounds.left) * this.scale;
      const y = (layout.y[seat] - bounds.top) * this.scale;
      const lastColumn = Math.floor((x + reach) / SIDE);
      const lastRow = Math.floor((y + reach) / SIDE);
      for (let row = Math.floor((y - reach) / SIDE); row <= lastRow; row += 1) {
        for (let column = Math.floor((x - reach) / SIDE); column <= lastColumn; column += 1) {
          const tile = this.#tiles.get(row * this.columns + column);
          if (tile === undefined || tile.stale) continue;
          if (this.#sprites) tile.seats.push(seat);
          else tile.stale = true;
        }
      }
    }
  }

  paint(column, row) {
    const key = row * this.columns + column;
    const tile = this.#tiles.get(key) ?? this.#add(key);
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    const { context } = tile;
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (tile.stale) {
      drawSections(context, this.#map, this.scale, column * SIDE, row * SIDE, SIDE);
      if (this.#sprites) this.#paintSeats(context, column, row);
      else this.#paintDots(context, column, row);
    } else {
      this.#paintChanged(context, column, row, tile.seats);
    }
    tile.stale = false;
    tile.seats = [];
  }

  #add(key) {
    let canvas = null;
    if (this.#tiles.size >= this.room) {
      const [oldest, tile] = this.#tiles.entries().next().value;
      this.#tiles.delete(oldest);
      canvas = tile.canvas;
    }
    canvas ??= Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const tile = { canvas, context: canvas.getContext("2d", { alpha: false }), stale: true, seats: [] };
    this.#tiles.set(key, tile);
    return tile;
  }

  /** Calls `visit(seat, x, y)` for the seats that reach into a tile; x and y are pixels within it. */
  #visit(column, row, reach, visit) {
    const { layout, spans, bounds } = this.#map;
    const scale = this.scale;
    const [offsetX, offsetY] = [bounds.left * scale + column * SIDE, bounds.top * scale + row * SIDE];
    const [left, top] = [(offsetX - reach) / scale, (offsetY - reach) / scale];
    const [right, bottom] = [(offsetX + SIDE + reach) / scale, (offsetY + SIDE + reach) / scale];
    spans.within(left, top, right, bottom, (from, to) => {
      for (let seat = from; seat < to; seat += 1) {
        const [x, y] = [layout.x[seat], layout.y[seat]];
        if (x >= left && x <= right && y >= top && y <= bottom) visit(seat, x * scale - offsetX, y * scale - offsetY);
      }
    });
  }

  #paintDots(context, column, row) {
    const { looks } = this.#map;
    const { pixels, image, canvas } = scratch();
    pixels.fill(0);
    this.#visit(column, row, this.#dots.reach, (seat, x, y) => this.#dots.put(pixels, SIDE, x, y, looks.of(seat)));
    canvas.getContext("2d").putImageData(image, 0, 0);
    context.drawImage(canvas, 0, 0);
  }

  #paintSeats(context, column, row) {
    const labelled = [];
    this.#visit(column, row, this.#sprites.side / 2, (seat, x, y) => {
      this.#paintSeat(context, seat, x, y);
      labelled.push(seat, x, y);
    });
    this.#paintLabels(context, labelled);
  }

  #paintChanged(context, column, row, seats) {
    const { layout, bounds, colours } = this.#map;
    const [offsetX, offsetY] = [bounds.left * this.scale + column * SIDE, bounds.top * this.scale + row * SIDE];
    const half = (this.scale * 0.98) / 2;
    const labelled = [];
    for (const seat of new Set(seats)) {
      const x = layout.x[seat] * this.scale - offsetX;
      const y = layout.y[seat] * this.scale - offsetY;
      turn(context, layout.angle[seat], x, y);
      context.fillStyle = colours.section;
      context.fillRect(-half, -half, 2 * half, 2 * half);
      this.#paintSeat(context, seat, x, y);
      labelled.push(seat, x, y);
    }
    this.#paintLabels(context, labelled);
  }

  #paintSeat(context, seat, x, y) {
    const { layout, looks } = this.#map;
    const sprite = this.#sprites.of(looks.of(seat));
    const size = layout.rows[layout.rowOf[seat]].size;
    const side = this.#sprites.side * size;
    if (turn(context, layout.angle[seat], x, y) || size !== 1) {
      context.drawImage(sprite, -side / 2, -side / 2, side, side);
    } else {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(sprite, Math.round(x - side / 2), Math.round(y - side / 2));
    }
  }

  /** @param {number[]} labelled - seat, x, y, seat, x, y, … */
  #paintLabels(context, labelled) {
    if (!hasLabels(this.scale / this.#ratio)) return;
    const { layout, looks, colours } = this.#map;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.textAlign = "center";
    context.textBaseline = "middle";
    let font = 0;
    for (let n = 0; n < labelled.length; n += 3) {
      const look = looks.of(labelled[n]);
      const colour = labelColour(look, colours);
      if (colour === null) continue;
      const label = layout.shortLabel(labelled[n]);
      const room = this.scale * layout.rows[layout.rowOf[labelled[n]]].size;
      const size = Math.round(Math.min(room * 0.4, (room * 1.22) / label.length));
      if (size < SMALLEST_TEXT * this.#ratio) continue;
      if (size !== font) context.font = `600 ${(font = size)}px ${colours.font}`;
      context.fillStyle = colour;
      context.fillText(label, labelled[n + 1], labelled[n + 2] + size * 0.06);
    }
  }
}

/** Turns the context to a seat; a seat looks the same after a quarter turn. Returns whether it is turned at all. */
function turn(context, angle, x, y) {
  const rest = angle - QUARTER * Math.round(angle / QUARTER);
  const [cos, sin] = [Math.cos(rest), Math.sin(rest)];
  context.setTransform(cos, sin, -sin, cos, x, y);
  return Math.abs(rest) > FLAT;
}

let shared = null;

function scratch() {
  if (shared === null) {
    const image = new ImageData(SIDE, SIDE);
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    shared = { image, canvas, pixels: new Uint32Array(image.data.buffer) };
  }
  return shared;
}
