/**
 * The seats of a show: labels, prices, kinds, and where each seat is on the map.
 *
 * Built once from the JSON of `GET /api/shows/{id}/seats`. A seat is its index in layout order; what belongs to seats
 * is in typed arrays or stays in the JSON's own lists, so that 100,000 seats cost no object each. Pure: no DOM.
 */

import { outlineOf } from "./outlines.js";
import { placeSeats } from "./placement.js";

const ORDINARY = "-";

/**
 * @typedef {{amount: number, currency: string}} Money
 * @typedef {{
 *   name: string, section: number, first: number, count: number, aislesAfter: number[], perLine: number, size: number,
 * }} Row  `perLine`: seats in one line on the map, fewer than `count` where a long row is wrapped into a block;
 *   `size`: width of its seats on the map.
 * @typedef {{
 *   name: string, level: number | string | null, price: Money, prices: Money[], first: number, count: number,
 *   rows: Row[], outline: Float32Array[],
 * }} Section  `outline`: closed rings x, y, x, y, …, one for each block of seats; computed when first read.
 */

export class SeatLayout {
  #labels = new Map();
  #indexed = 0;

  /** @param {object} map - the JSON of `GET /api/shows/{id}/seats` */
  constructor(map) {
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Section[]} */
    this.sections = map.sections.map((given, number) => this.#section(given, number));
    /** Number of seats. */
    this.count = this.rows.length ? this.rows.at(-1).first + this.rows.at(-1).count : 0;
    this.sectionOf = new Uint32Array(this.count);
    this.rowOf = new Uint32Array(this.count);
    this.rows.forEach((row, number) => {
      this.sectionOf.fill(row.section, row.first, row.first + row.count);
      this.rowOf.fill(number, row.first, row.first + row.count);
    });
    /** The stage or screen as it is given: `{x, y, width, height, label?}`, or null. */
    this.stage = map.stage ?? null;
    this.kinds = map.kinds ?? null;
    const places = placeSeats(this.sections, map.sections, this.count, this.stage);
    /** The middle of each seat, in widths of a seat; y grows downwards. */
    this.x = places.x;
    this.y = places.y;
    /** Direction of the row at each seat, in radians clockwise, 0 to the right. */
    this.angle = places.angle;
    /** What seats and stage take up: `{left, top, right, bottom}`. */
    this.bounds = places.bounds;
    this.#price(map.sections);
  }

  #section(given, number) {
    const first = this.rows.length ? this.rows.at(-1).first + this.rows.at(-1).count : 0;
    const section = { name: given.name, level: given.level ?? null, price: given.price, prices: [given.price], first };
    let next = first;
    section.rows = given.rows.map((row) => {
      const count = row.seats.length;
      const made = {
        name: row.name,
        section: number,
        first: next,
        count,
        aislesAfter: row.aisles_after ?? [],
        perLine: count,
        size: 1,
        labels: row.seats,
      };
      next += count;
      this.rows.push(made);
      return made;
    });
    section.count = next - first;
    let outline = null;
    Object.defineProperty(section, "outline", { get: () => (outline ??= outlineOf(this, section)) });
    return section;
  }

  /** Collects the different prices, dearest first, and the number of each seat's price among them. */
  #price(given) {
    const found = new Map();
    const key = (price) => `${price.amount} ${price.currency}`;
    const note = (price) => found.has(key(price)) || found.set(key(price), price);
    for (const section of given) {
      note(section.price);
      for (const row of section.rows) row.prices?.forEach((single) => note(single.price));
    }
    /** The different prices of the show, highest first. @type {Money[]} */
    this.prices = [...found.values()].sort((a, b) => b.amount - a.amount);
    const ranks = new Map(this.prices.map((price, rank) => [key(price), rank]));
    /** The index of each seat's price in `prices`. */
    this.priceOf = new Uint32Array(this.count);
    given.forEach((section, number) => {
      const { first, count, rows } = this.sections[number];
      const used = new Set();
      const standard = ranks.get(key(section.price));
      this.priceOf.fill(standard, first, first + count);
      let single = 0;
      section.rows.forEach((row, at) => {
        if (!row.prices?.length) return;
        const own = new Map();
        for (const { seats, price } of row.prices) for (const label of seats) own.set(label, ranks.get(key(price)));
        row.seats.forEach((label, n) => {
          if (!own.has(label)) return;
          this.priceOf[rows[at].first + n] = own.get(label);
          used.add(own.get(label));
          single += 1;
        });
      });
      if (single < count) used.add(standard);
      this.sections[number].prices = [...used].sort((a, b) => a - b).map((rank) => this.prices[rank]);
    });
  }

  /** Returns the seat's label, as bookings name it. */
  label(seat) {
    const row = this.rows[this.rowOf[seat]];
    return row.labels[seat - row.first];
  }

  /** Returns what distinguishes the seat within its row: the label without the row's name, or the number at its end. */
  shortLabel(seat) {
    const row = this.rows[this.rowOf[seat]];
    const label = row.labels[seat - row.first];
    if (!row.name) return label;
    const rest = label.startsWith(row.name) ? label.slice(row.name.length) : label;
    return /^[-–./ ]*(.+)$/.exec(/[-–./ ](\d+)$/.exec(rest)?.[1] ?? rest)?.[1] ?? label;
  }

  /** Returns the index of the seat with this label, -1 for none. */
  indexOf(label) {
    if (this.#indexed < this.rows.length) this.indexLabels();
    return this.#labels.get(label) ?? -1;
  }

  /**
   * Prepares `indexOf`, so that the first change need not wait for it. Returns whether all is prepared.
   *
   * @param {() => boolean} [more] - whether there is time left; asked after each row
   */
  indexLabels(more = () => true) {
    while (this.#indexed < this.rows.length) {
      const row = this.rows[this.#indexed];
      for (let n = 0; n < row.count; n += 1) this.#labels.set(row.labels[n], row.first + n);
      this.#indexed += 1;
      if (!more()) break;
    }
    return this.#indexed === this.rows.length;
  }

  /** Returns `-` ordinary, `w` accessible, `c` companion or `r` restricted view. */
  kindOf(seat) {
    return this.kinds === null ? ORDINARY : this.kinds[seat];
  }

  /** Returns the price of the seat. @returns {Money} */
  price(seat) {
    return this.prices[this.priceOf[seat]];
  }
}
