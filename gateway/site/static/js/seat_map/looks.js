/** How a seat looks: one small number for its shape, colour and marks, the same for dots and seats. Pure. */

import { tierOf } from "./colours.js";
import { AVAILABLE, BLOCKED, HELD, SOLD } from "./states.js";

export const FREE = 0;
export const TAKEN = 1;
export const GONE = 2;
export const CLOSED = 3;
export const CHOSEN = 4;
export const OWN = 5;
const SHAPES = 6;

const SHAPE_OF = new Uint8Array(128);
SHAPE_OF[AVAILABLE] = FREE;
SHAPE_OF[HELD] = TAKEN;
SHAPE_OF[SOLD] = GONE;
SHAPE_OF[BLOCKED] = CLOSED;
const KIND_NUMBER = { "-": 0, w: 1, c: 2, r: 3 };
const KIND_LETTER = ["-", "w", "c", "r"];

/** Looks of all seats. A look is `shape + 6 × (kind + 4 × tier)`. */
export class SeatLooks {
  #states;
  #selected;
  #mine;
  #base;

  /**
   * @param {import("./layout.js").SeatLayout} layout
   * @param {import("./states.js").SeatStates} states
   * @param {Set<number>} selected
   * @param {Set<number>} mine
   */
  constructor(layout, states, selected, mine) {
    this.#states = states;
    this.#selected = selected;
    this.#mine = mine;
    this.#base = new Uint8Array(layout.count);
    const tiers = layout.prices.map((_, rank) => tierOf(rank, layout.prices.length));
    for (let seat = 0; seat < layout.count; seat += 1) {
      this.#base[seat] = SHAPES * 4 * tiers[layout.priceOf[seat]];
    }
    if (layout.kinds === null) return;
    for (let seat = 0; seat < layout.count; seat += 1) {
      this.#base[seat] += SHAPES * (KIND_NUMBER[layout.kinds[seat]] ?? 0);
    }
  }

  of(seat) {
    if (this.#selected.size && this.#selected.has(seat)) return this.#base[seat] + CHOSEN;
    if (this.#mine.size && this.#mine.has(seat)) return this.#base[seat] + OWN;
    return this.#base[seat] + SHAPE_OF[this.#states.letters[seat]];
  }
}

export const shapeOf = (look) => look % SHAPES;
export const kindOf = (look) => KIND_LETTER[Math.floor(look / SHAPES) % 4];
export const tierOfLook = (look) => Math.floor(look / (SHAPES * 4));

/** Returns the look of a sample, as in a legend. */
export function lookOf(shape, { kind = "-", tier = 0 } = {}) {
  return shape + SHAPES * (KIND_NUMBER[kind] + 4 * tier);
}
