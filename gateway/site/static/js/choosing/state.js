/**
 * The state of choosing seats, in one place; everything on the page is rendered from it.
 *
 * Selecting is local: a tap must answer at once, costs nobody a seat, and an explorer of the map starts no clock. The
 * service is asked once, for all seats together, so that a customer never sits on half of what they want.
 */

/** What a request may have at most, whatever the show allows. */
export const SEATS_PER_REQUEST = 10;

/**
 * @typedef {object} Booking as the API returns it
 * @typedef {object} Notice what happened, and what to do about it
 * @property {"good" | "bad" | "warn"} tone
 * @property {string} title
 * @property {string} [text]
 * @property {{label: string, run: () => void, href?: string}[]} [actions]
 */

/** Event `change` after any change, once per turn. */
export class ShowState extends EventTarget {
  /** @param {{id: number, status: string, seats_per_customer: number}} show */
  constructor(show) {
    super();
    this.show = show;
    /** @type {string} status of the show, as it is now */
    this.status = show.status;
    /** @type {Set<number>} the seats that are selected; always this same Set */
    this.selected = new Set();
    /** @type {Set<number>} the seats of the customer's own holds and bookings; always this same Set */
    this.mine = new Set();
    /** @type {Booking[]} live holds, the soonest to expire first */
    this.holds = [];
    /** @type {Booking[]} confirmed bookings of this show */
    this.booked = [];
    /** @type {{what: string, id?: string} | null} the request that is under way */
    this.busy = null;
    /** @type {"connection" | "overloaded" | null} why the request is being repeated */
    this.trouble = null;
    /** @type {Notice | null} */
    this.notice = null;
    /** @type {Booking | null} the hold whose seats are being changed */
    this.changing = null;
    this._queued = false;
  }

  /** Changes fields and reports it. */
  set(changes) {
    Object.assign(this, changes);
    this.changed();
  }

  /** Reports a change, of the sets too, once per turn. */
  changed() {
    if (this._queued) return;
    this._queued = true;
    queueMicrotask(() => {
      this._queued = false;
      this.dispatchEvent(new Event("change"));
    });
  }

  /** How many seats may be selected now. */
  get limit() {
    if (this.changing !== null) return this.changing.seats.length;
    const own = [...this.holds, ...this.booked].reduce((sum, booking) => sum + booking.seats.length, 0);
    return Math.max(0, Math.min(SEATS_PER_REQUEST, this.show.seats_per_customer - own));
  }
}
