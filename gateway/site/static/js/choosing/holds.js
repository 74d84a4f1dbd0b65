/**
 * The customer's own holds and bookings of this show, as the service knows them.
 *
 * They are asked for when the page opens, when it is shown again, when another tab has changed them, and when one of
 * their seats changes on the live map, so a second tab, a reload or a device that was asleep shows the truth.
 */

import { call } from "../api.js";
import { session } from "../session.js";

const CHANNEL = "aisle.holds";
const AT_MOST_EVERY_MS = 400;
const REMEMBERED_MS = 30_000;

/** Event `gone` (detail: a hold that is no longer live). */
export class Holds extends EventTarget {
  /**
   * @param {import("./state.js").ShowState} state
   * @param {import("../seat_map/layout.js").SeatLayout} layout
   */
  constructor(state, layout) {
    super();
    this._state = state;
    this._layout = layout;
    this._reading = null;
    this._again = 0;
    this._elsewhere = new Map();
    this._channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(CHANNEL) : null;
    this._channel?.addEventListener("message", ({ data }) => this._heard(data));
  }

  /** Reads them now. Keeps what is known where the service cannot be asked. */
  async refresh() {
    this._reading ??= this._read().finally(() => {
      this._reading = null;
    });
    await this._reading;
  }

  /** Reads them soon; many calls in a row read once. */
  refreshSoon() {
    clearTimeout(this._again);
    this._again = setTimeout(() => this.refresh(), AT_MOST_EVERY_MS);
  }

  /** Takes over a booking that the service has returned. */
  put(booking) {
    this._state.holds = this._state.holds.filter((hold) => hold.id !== booking.id);
    if (booking.status === "held") this._state.holds.push(booking);
    this._sorted();
    this.publish();
  }

  /** Removes a hold that is known to be over. */
  remove(id) {
    this._state.holds = this._state.holds.filter((hold) => hold.id !== id);
    this._sorted();
    this.publish();
  }

  /** Lets other tabs know: seats that this one is about to hold, or that something has changed. */
  publish(holding = []) {
    this._channel?.postMessage({ show: this._state.show.id, holding });
  }

  /** Whether another tab of the customer is holding this seat. */
  isElsewhere(index) {
    const until = this._elsewhere.get(this._layout.label(index));
    return until !== undefined && until > Date.now();
  }

  async _read() {
    await session.ready;
    if (session.user === null) {
      this._take([], []);
      return;
    }
    const path = "/api/me/bookings?limit=100&status=";
    let held;
    let confirmed;
    try {
      [held, confirmed] = await Promise.all([call("GET", `${path}held`), call("GET", `${path}confirmed`)]);
    } catch {
      return; // the live map goes on, and the next occasion asks again
    }
    const here = (booking) => booking.show_id === this._state.show.id;
    this._take(held.items.filter(here), confirmed.items.filter(here));
  }

  _take(held, confirmed) {
    const live = new Set(held.map((hold) => hold.id));
    const gone = this._state.holds.filter((hold) => !live.has(hold.id));
    this._state.holds = held;
    this._state.booked = confirmed;
    this._sorted();
    for (const hold of gone) this.dispatchEvent(new CustomEvent("gone", { detail: hold }));
  }

  _sorted() {
    const state = this._state;
    state.holds.sort((a, b) => Date.parse(a.expires_at) - Date.parse(b.expires_at));
    state.mine.clear();
    for (const booking of [...state.holds, ...state.booked]) {
      for (const label of booking.seats) {
        const index = this._layout.indexOf(label);
        if (index >= 0) state.mine.add(index);
      }
    }
    if (state.changing !== null) {
      state.changing = state.holds.find((hold) => hold.id === state.changing.id) ?? state.changing;
    }
    state.changed();
  }

  _heard({ show, holding }) {
    if (show !== this._state.show.id) return;
    for (const label of holding) this._elsewhere.set(label, Date.now() + REMEMBERED_MS);
    if (holding.length === 0) this.refreshSoon();
  }
}
