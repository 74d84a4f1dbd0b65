/**
 * Draws the map as the camera sees it: pictures of it at the camera's scale where they are painted, coarser ones below,
 * words and the stage above. Painting has a budget for each frame; what is left is painted in the next.
 */

import { Captions } from "./captions.js";
import { Pulses } from "./pulses.js";
import { drawFocus, drawStage } from "./shapes.js";
import { SIDE, TileSet } from "./tiles.js";

const FAR = 1.9;

/**
 * @typedef {{
 *   layout: import("./layout.js").SeatLayout, spans: import("./spans.js").SeatSpans,
 *   looks: import("./looks.js").SeatLooks, bounds: object, colours: import("./colours.js").Colours,
 * }} MapParts  `bounds`: what is shown as a whole, with room for words
 */

export class MapPainter {
  #parts;
  #states;
  #captions;
  #pulses = new Pulses();
  #overview = null;
  #current = null;
  #previous = null;
  #lastMs = 0;

  /**
   * @param {MapParts} parts
   * @param {import("./states.js").SeatStates} states
   */
  constructor(parts, states) {
    this.#parts = parts;
    this.#states = states;
    this.#captions = new Captions(parts.layout, parts.spans);
  }

  /** Forgets all pictures, as after a change of colours. */
  reset(colours) {
    this.#parts.colours = colours;
    this.#overview = this.#current = this.#previous = null;
  }

  /** Marks seats, or all, to be painted again. @param {number[] | null} seats */
  invalidate(seats) {
    for (const set of this.#sets()) set.invalidate(seats);
  }

  /** Draws attention to seats that changed just now. @param {number[]} seats */
  pulse(seats) {
    this.#pulses.begin(seats, performance.now());
  }

  /**
   * Draws one frame. Returns whether something is left to be painted.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {import("./camera.js").Camera} camera
   * @param {{
   *   ratio: number, isZooming: boolean, budget: number, focused: number | null, aim?: import("./camera.js").Camera,
   * }} options  `budget`: milliseconds for painting; `aim`: where a movement will end
   */
  draw(context, camera, { ratio, isZooming, budget, focused, aim = camera }) {
    this.#choose(camera, ratio, isZooming, aim);
    const more = this.#paint(aim, ratio, budget);
    const { colours, layout } = this.#parts;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    const exact = this.#current.scale === camera.scale * ratio;
    const sets = exact && this.#isPainted(camera, ratio) ? [this.#current] : this.#sets();
    for (const set of sets) copy(context, set, camera, ratio, this.#parts.bounds);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (layout.stage) drawStage(context, camera, layout.stage, colours);
    if (focused !== null) drawFocus(context, camera, layout.sections[focused], colours);
    const pulses = this.#pulses.draw(context, camera, layout, colours.focus, performance.now());
    this.#captions.draw(context, camera, this.#states, colours);
    return more || pulses || (!exact && !isZooming);
  }

  /** Chooses the scale at which is painted: that of the whole map, always, and the camera's when it stands still. */
  #choose(camera, ratio, isZooming, aim) {
    const whole = camera.fitted * ratio;
    if (this.#overview?.scale !== whole) this.#overview = new TileSet(this.#parts, whole, ratio);
    this.#current ??= this.#overview;
    const wanted = aim.scale * ratio;
    const off = this.#current.scale / wanted;
    if (off === 1 || (isZooming && aim === camera && off < FAR && off > 1 / FAR)) return;
    this.#previous = this.#current === this.#overview ? null : this.#current;
    this.#current = wanted === whole ? this.#overview : new TileSet(this.#parts, wanted, ratio);
  }

  /** All sets of pictures, the coarsest first. */
  #sets() {
    const sets = new Set([this.#overview, this.#previous, this.#current].filter(Boolean));
    return [...sets].sort((a, b) => a.scale - b.scale);
  }

  /** Paints what is stale in sight, at least one tile, as long as the next one is likely to be done in time. */
  #paint(camera, ratio, budget) {
    const started = performance.now();
    let painted = 0;
    const sets = this.#current === this.#overview ? [this.#current] : [this.#current, this.#overview];
    for (const set of sets) {
      const tiles = tilesInSight(set, camera, ratio, this.#parts.bounds);
      set.room = Math.max(set.room, 2 * tiles.length);
      for (const [column, row] of tiles) {
        if (!set.isStale(column, row)) continue;
        const began = performance.now();
        if (painted > 0 && began + this.#lastMs > started + budget) return true;
        set.paint(column, row);
        painted += 1;
        this.#lastMs = performance.now() - began;
      }
    }
    return false;
  }

  #isPainted(camera, ratio) {
    const tiles = tilesInSight(this.#current, camera, ratio, this.#parts.bounds);
    return tiles.every(([column, row]) => this.#current.picture(column, row));
  }
}

/** Where a set's upper left corner is, and how much larger than painted it appears. */
function placeOf(set, camera, ratio, bounds) {
  const scale = camera.scale * ratio;
  return {
    x: Math.round((camera.width * ratio) / 2 - (camera.x - bounds.left) * scale),
    y: Math.round((camera.height * ratio) / 2 - (camera.y - bounds.top) * scale),
    factor: scale / set.scale,
  };
}

/** Column and row of each tile that is in sight, from the middle outwards. */
function tilesInSight(set, camera, ratio, bounds) {
  const { x, y, factor } = placeOf(set, camera, ratio, bounds);
  const step = SIDE * factor;
  const [width, height] = [camera.width * ratio, camera.height * ratio];
  const tiles = [];
  const lastColumn = Math.min(set.columns - 1, Math.floor((width - x) / step));
  const lastRow = Math.min(set.rows - 1, Math.floor((height - y) / step));
  for (let row = Math.max(0, Math.floor(-y / step)); row <= lastRow; row += 1) {
    for (let column = Math.max(0, Math.floor(-x / step)); column <= lastColumn; column += 1) tiles.push([column, row]);
  }
  const [middleColumn, middleRow] = [(width / 2 - x) / step - 0.5, (height / 2 - y) / step - 0.5];
  const far = ([column, row]) => Math.hypot(column - middleColumn, row - middleRow);
  return tiles.sort((a, b) => far(a) - far(b));
}

function copy(context, set, camera, ratio, bounds) {
  const { x, y, factor } = placeOf(set, camera, ratio, bounds);
  const step = SIDE * factor;
  for (const [column, row] of tilesInSight(set, camera, ratio, bounds)) {
    const picture = set.picture(column, row);
    if (picture === undefined) continue;
    if (factor === 1) {
      context.drawImage(picture, x + column * SIDE, y + row * SIDE);
      continue;
    }
    const [left, top] = [Math.round(x + column * step), Math.round(y + row * step)];
    const [right, bottom] = [Math.round(x + (column + 1) * step), Math.round(y + (row + 1) * step)];
    context.drawImage(picture, left, top, right - left, bottom - top);
  }
}
