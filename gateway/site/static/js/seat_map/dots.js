/**
 * Seats as dots, written as pixels: thousands of them take a millisecond, where a canvas call each would take a frame.
 *
 * A dot is a mask of coverage, drawn once for each shape and each quarter of a pixel that its middle may be off.
 */

import { pixelOf } from "./colours.js";
import { CHOSEN, CLOSED, FREE, GONE, OWN, TAKEN, shapeOf, tierOfLook } from "./looks.js";

const PHASES = 4;
const SAMPLES = 4;
const OPAQUE = 255;
/** From this size on, states have shapes; smaller dots are only stronger or weaker. */
const FIRST_SHAPES = 4.5;

export class DotPainter {
  #size;
  #colours;
  #masks = [];
  #coverages = [];

  /**
   * @param {import("./colours.js").Colours} colours
   * @param {number} size - device pixels for the width of a seat
   */
  constructor(colours, size) {
    this.#size = size;
    this.#colours = colours;
  }

  /** How far a dot reaches from its middle, in pixels. */
  get reach() {
    return Math.ceil(radiusOf(CHOSEN, this.#size)) + 1;
  }

  /**
   * Writes one dot with its middle at x, y. Where dots overlap, the more opaque pixel stays.
   *
   * @param {Uint32Array} pixels - of a square of image data
   * @param {number} side - of that square
   */
  put(pixels, side, x, y, look) {
    const [middleX, middleY] = [Math.floor(x), Math.floor(y)];
    const phase = Math.floor((y - middleY) * PHASES) * PHASES + Math.floor((x - middleX) * PHASES);
    const key = look * PHASES * PHASES + phase;
    const mask = (this.#masks[key] ??= this.#mask(look, phase));
    const { half } = mask;
    let from = 0;
    for (let toY = middleY - half; toY <= middleY + half; toY += 1) {
      let to = toY * side + middleX - half;
      for (let toX = middleX - half; toX <= middleX + half; toX += 1, from += 1, to += 1) {
        if (toX < 0 || toX >= side || toY < 0 || toY >= side) continue;
        const pixel = mask.pixels[from];
        if (pixel >>> 24 > pixels[to] >>> 24) pixels[to] = pixel;
      }
    }
  }

  /** The pixels of a dot: its coverage as alpha of its colour. */
  #mask(look, phase) {
    const shape = shapeOf(look);
    const coverage = (this.#coverages[shape * PHASES * PHASES + phase] ??= this.#coverage(shape, phase));
    const colour = this.#pixel(look);
    return {
      half: coverage.half,
      pixels: Uint32Array.from(coverage.alphas, (alpha) => ((alpha << 24) | colour) >>> 0),
    };
  }

  #pixel(look) {
    const shape = shapeOf(look);
    if (shape === FREE) return pixelOf(this.#colours.tiers[tierOfLook(look)]);
    if (shape === CHOSEN) return pixelOf(this.#colours.chosen);
    if (shape === OWN) return pixelOf(this.#colours.chosenEdge);
    if (shape === TAKEN) return pixelOf(this.#colours.held);
    return pixelOf(shape === GONE ? this.#colours.sold : this.#colours.blocked);
  }

  #coverage(shape, phase) {
    const half = Math.ceil(radiusOf(shape, this.#size));
    const width = 2 * half + 1;
    const alphas = new Uint8Array(width * width);
    const middleX = half + ((phase % PHASES) + 0.5) / PHASES;
    const middleY = half + (Math.floor(phase / PHASES) + 0.5) / PHASES;
    const covers = coverageOf(shape, this.#size);
    for (let y = 0; y < width; y += 1) {
      for (let x = 0; x < width; x += 1) {
        let inside = 0;
        for (let n = 0; n < SAMPLES * SAMPLES; n += 1) {
          const dx = x + ((n % SAMPLES) + 0.5) / SAMPLES - middleX;
          const dy = y + (Math.floor(n / SAMPLES) + 0.5) / SAMPLES - middleY;
          inside += covers(dx, dy);
        }
        alphas[y * width + x] = Math.round((inside * OPAQUE) / (SAMPLES * SAMPLES));
      }
    }
    return { half, alphas };
  }
}

/** How far a dot of this shape reaches. */
function radiusOf(shape, size) {
  if (shape === CHOSEN || shape === OWN) return Math.max(1.6, size * 0.5);
  return shape === GONE && size >= FIRST_SHAPES ? Math.max(0.7, size * 0.15) : Math.max(0.55, size * 0.36);
}

/** How much of its colour a dot of this shape has at a distance from its middle, 0 to 1. */
function coverageOf(shape, size) {
  const radius = radiusOf(shape, size);
  const rim = Math.max(1, size * 0.13);
  const within = (dx, dy, r) => dx * dx + dy * dy <= r * r;
  if (shape === OWN) return (dx, dy) => (within(dx, dy, radius) && !within(dx, dy, radius - rim * 1.3) ? 1 : 0);
  if (shape === FREE || shape === CHOSEN) return (dx, dy) => (within(dx, dy, radius) ? 1 : 0);
  if (size < FIRST_SHAPES) {
    const weight = shape === TAKEN ? 0.75 : 0.4;
    return (dx, dy) => (within(dx, dy, radius) ? weight : 0);
  }
  if (shape === TAKEN) {
    return (dx, dy) => (within(dx, dy, radius) && (dy > 0 || !within(dx, dy, radius - rim)) ? 1 : 0);
  }
  if (shape === GONE) return (dx, dy) => (within(dx, dy, radius) ? 1 : 0);
  return (dx, dy) => (Math.abs(dx) <= radius * 0.85 && Math.abs(dy) <= rim * 0.6 ? 1 : 0);
}
