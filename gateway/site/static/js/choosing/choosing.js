/**
 * Choosing seats, from the first tap to the confirmed booking: joins the selection, the live map, the holds and the
 * requests, and says what happened in notices and to screen readers.
 */

import { ApiError } from "../api.js";
import { dateTime } from "../format.js";
import { _, ngettext } from "../words.js";
import { companionsBound, spacesBeside } from "./companions.js";
import { listOf } from "./numbers.js";
import { explain } from "./refusals.js";
import { OUTCOME } from "./selection.js";
import { lostNotice } from "./taken.js";

export class Choosing {
  /**
   * @param {object} parts
   * @param {import("./state.js").ShowState} parts.state
   * @param {import("../seat_map/layout.js").SeatLayout} parts.layout
   * @param {import("../seat_map/states.js").SeatStates} parts.states
   * @param {import("../seat_map/places.js").Places} parts.places
   * @param {import("./selection.js").Selection} parts.selection
   * @param {import("./holds.js").Holds} parts.holds
   * @param {import("./requests.js").Requests} parts.requests
   * @param {import("./recent_changes.js").RecentChanges} parts.recent
   * @param {import("./announcer.js").Announcer} parts.announcer
   * @param {() => number} parts.now
   * @param {(address: string) => void} [parts.leave]
   */
  constructor({ leave = (address) => location.assign(address), ...parts }) {
    Object.assign(this, parts);
    this.leave = leave;
    this._over = new Set();
    this.states.addEventListener("change", ({ detail }) => this._seatsChanged(detail?.indexes ?? null));
    this.holds.addEventListener("gone", ({ detail }) => this._holdGone(detail));
  }

  /** A tap on a seat. */
  toggle(index) {
    const outcome = this.selection.toggle(index);
    const label = this.layout.label(index);
    const { size } = this.state.selected;
    if (outcome === OUTCOME.FULL) this._full();
    else if (outcome === OUTCOME.TAKEN) this.announcer.say(_("{seat} is not available.", { seat: label }));
    else if (outcome === OUTCOME.MINE) this.announcer.say(_("{seat} is yours already.", { seat: label }));
    else if (outcome !== OUTCOME.BUSY) {
      if (this.state.notice !== null) this.state.set({ notice: null });
      this.announcer.say(ngettext("{n} seat selected.", "{n} seats selected.", size));
    }
  }

  /** Selects these seats, too, and takes the notice that offered them away. */
  addSeats(indexes) {
    this.selection.add(indexes);
    this.state.set({ notice: null });
    this.announcer.say(ngettext("{n} seat selected.", "{n} seats selected.", this.state.selected.size));
  }

  /** Holds the selected seats. */
  async hold() {
    if (this.state.selected.size === 0) return;
    const body = { seats: this.selection.labels() };
    await this._hold({ what: "hold", path: `/api/shows/${this.state.show.id}/holds`, body });
  }

  /** Holds the best seats that fit. @param {object} body of POST /api/shows/{id}/holds, with `quantity` */
  async holdBest(body) {
    await this._hold({ what: "best", path: `/api/shows/${this.state.show.id}/holds`, body });
  }

  /** Extends a hold. */
  async extend(hold) {
    const booking = await this._send({ what: "extend", id: hold.id, path: `/api/bookings/${hold.id}/extend` });
    if (booking === null) return;
    this.holds.put(booking);
    this.announcer.say(_("You have more time."));
  }

  /** Gives held seats back. */
  async release(hold) {
    const booking = await this._send({ what: "release", id: hold.id, path: `/api/bookings/${hold.id}/cancel` });
    if (booking === null) return;
    this._end(hold);
    const text = _("{seats}: given back.", { seats: listOf(hold.seats) });
    this.state.set({ notice: { tone: "good", title: text } });
    this.announcer.say(text);
  }

  /** Starts choosing other seats for a hold. */
  startChange(hold) {
    this.state.set({ changing: hold, notice: null });
    this.state.selected.clear();
    this.selection.add(this.selection.indexesOf(hold.seats));
  }

  /** Keeps the seats as they are; what was selected before is selected again. */
  stopChange() {
    this.state.selected.clear();
    this.state.set({ changing: null, notice: null });
    this.selection.restore();
  }

  /** Moves the hold to the seats that are selected. */
  async change() {
    const hold = this.state.changing;
    if (hold === null || this.state.selected.size !== hold.seats.length) return;
    const body = { seats: this.selection.labels() };
    const booking = await this._send({ what: "change", id: hold.id, path: `/api/bookings/${hold.id}/seats`, body });
    if (booking === null) return;
    this.stopChange();
    this.holds.put(booking);
    this.announcer.say(_("Your seats are now {seats}.", { seats: listOf(booking.seats) }));
  }

  /** Confirms a hold and opens the booking's page. */
  async confirm(hold) {
    const booking = await this._send({ what: "confirm", id: hold.id, path: `/api/bookings/${hold.id}/confirm` });
    if (booking !== null) this._confirmed(booking.id);
  }

  /** Seats that were selected before a reload and are taken now. */
  lostBefore(seats) {
    this._notify(lostNotice(seats, false, this));
  }

  /** Goes on with what was interrupted by a reload or the log-in. */
  async resume() {
    const wish = this.requests.takeUnfinished();
    if (wish === null) return;
    const hold = this.state.holds.find(({ id }) => id === wish.id) ?? { id: wish.id, seats: [] };
    if (wish.what === "hold" || wish.what === "best") await this._hold(wish);
    else if (wish.what === "confirm") await this.confirm(hold);
    else if (wish.what === "extend") await this.extend(hold);
    else if (wish.what === "release") await this.release(hold);
    else await this._send(wish);
    await this.holds.refresh();
  }

  /** A hold whose clock has run out: the service decides whether it is over. */
  async ended(hold) {
    await this.holds.refresh();
    if (this.state.holds.some(({ id }) => id === hold.id)) this.holds.refreshSoon();
  }

  async _hold(wish) {
    this.holds.publish(wish.body.seats ?? []);
    const booking = await this._send(wish);
    if (booking === null) return;
    this.selection.clear();
    this.holds.put(booking);
    this.holds.refreshSoon(); // a repeated answer may be about a hold that is over
    this.announcer.say(
      ngettext("{n} seat is held for you: {seats}.", "{n} seats are held for you: {seats}.", booking.seats.length, {
        seats: listOf(booking.seats),
      }),
    );
  }

  async _send(wish) {
    try {
      return await this.requests.send(wish);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this._refused(error.problem, wish);
      return null;
    }
  }

  _refused(problem, wish) {
    const { code, yours = [] } = problem;
    if (code === "already_confirmed") return this._confirmed(wish.id);
    if (code === "already_cancelled" || code === "hold_expired") {
      const hold = this.state.holds.find(({ id }) => id === wish.id);
      if (hold !== undefined) return code === "hold_expired" ? this._runOut(hold) : this._end(hold);
    }
    const seats = this.selection.indexesOf(problem.seats ?? []);
    if (code === "seat_taken" && yours.length > 0) return this._yours(yours, seats);
    if (["seat_taken", "seat_blocked"].includes(code) && wish.what !== "best") return this._lost(seats, true);
    const { title, text } = explain(problem, {
      perCustomer: this.state.show.seats_per_customer,
      when: (iso) => dateTime(iso, this.state.show.timezone, "medium"),
    });
    this._notify({ tone: "bad", title, text, actions: this._ways(problem, wish, seats) });
    if (yours.length > 0) this.holds.refreshSoon();
    return undefined;
  }

  /** What a refusal offers as one click. */
  _ways({ code }, wish, seats) {
    if (code === "companion_only") {
      const spaces = seats.flatMap((seat) => spacesBeside(seat, this.layout, this.places)).filter((seat) => this.selection.isFree(seat));
      return spaces.slice(0, 2).map((seat) => ({
        label: _("Add {seat}", { seat: this.layout.label(seat) }),
        run: () => this.addSeats([seat]),
      }));
    }
    if (code === "not_enough_seats" && wish.body?.adjacent !== false) {
      return [{ label: _("Hold seats that are apart"), run: () => this.holdBest({ ...wish.body, adjacent: false }) }];
    }
    return [];
  }

  /** Some seats of the request are the customer's own: they are shown, and the others stay selected. */
  _yours(yours, seats) {
    this.selection.remove(seats);
    this.holds.refreshSoon();
    const own = yours.flatMap((booking) => booking.seats);
    const confirmed = yours.find(({ status }) => status === "confirmed");
    const actions = confirmed === undefined ? [] : [{ label: _("See your tickets"), href: `/bookings/${confirmed.id}` }];
    this._notify({
      tone: "warn",
      title: ngettext("{seats} is yours already", "{seats} are yours already", own.length, { seats: listOf(own) }),
      text: confirmed === undefined ? _("Go on with the hold that you have.") : _("You have booked these seats before."),
      actions,
    });
  }

  _seatsChanged(indexes) {
    const own = indexes === null ? this.state.mine.size > 0 : indexes.some((index) => this.state.mine.has(index));
    if (own) this.holds.refreshSoon();
    if (this.state.busy !== null && ["hold", "best", "change"].includes(this.state.busy.what)) return;
    const lost = this.selection.lost();
    if (lost.length === 0) return;
    const elsewhere = lost.filter((index) => this.holds.isElsewhere(index));
    if (elsewhere.length > 0) {
      this.selection.remove(elsewhere);
      this.holds.refreshSoon();
    }
    const others = lost.filter((index) => !this.holds.isElsewhere(index));
    if (others.length > 0) this._lost(others, false);
  }

  /** Seats of the selection that somebody else has now. `refused`: the service said so to a request. */
  _lost(lost, refused) {
    this.selection.remove(lost);
    if (refused) this._markTaken(lost);
    const notice = lostNotice(lost, refused, this);
    this._notify(notice);
  }

  /** Shows seats as taken before the live map does, with a version between two of the service's. */
  _markTaken(seats) {
    const { version } = this.states;
    const changes = Object.fromEntries(
      seats.filter((seat) => this.states.isAvailable(seat)).map((seat) => [this.layout.label(seat), "h"]),
    );
    this.states.apply((version + Math.floor(version) + 1) / 2, changes);
  }

  _holdGone(hold) {
    if (this._over.has(hold.id)) return;
    this._over.add(hold.id);
    if (this.state.booked.some(({ id }) => id === hold.id)) {
      this._notify({
        tone: "good",
        title: _("Your booking is confirmed"),
        actions: [{ label: _("See your tickets"), href: `/bookings/${hold.id}` }],
      });
    } else if (Date.parse(hold.expires_at) <= this.now() + 1_000) {
      this._runOut(hold);
    } else {
      this._notify({ tone: "warn", title: _("{seats}: given back.", { seats: listOf(hold.seats) }) });
    }
  }

  _runOut(hold) {
    this._end(hold);
    this._notify({
      tone: "bad",
      title: _("Your hold has run out"),
      text: ngettext(
        "{seats} went back on sale. Nothing was booked.",
        "{seats} went back on sale. Nothing was booked.",
        hold.seats.length,
        { seats: listOf(hold.seats) },
      ),
      actions: [{ label: _("Select them again"), run: () => this._again(hold) }],
    });
  }

  /** Selects the seats of a hold that is over, as far as they are free. */
  _again(hold) {
    const seats = this.selection.indexesOf(hold.seats);
    const gone = seats.filter((seat) => !this.selection.isFree(seat));
    this.addSeats(seats);
    if (gone.length > 0) this._notify(lostNotice(gone, false, this));
  }

  _end(hold) {
    this._over.add(hold.id);
    if (this.state.changing?.id === hold.id) this.stopChange();
    this.holds.remove(hold.id);
  }

  _confirmed(id) {
    this._over.add(id);
    this.holds.publish();
    this.leave(`/bookings/${id}`);
  }

  _full() {
    const { limit, changing } = this.state;
    if (changing !== null) {
      this._notify({ tone: "warn", title: _("Give one of your seats up first"), text: _("A hold keeps its number of seats.") });
    } else if (limit === 0) {
      const { title, text } = explain({ code: "limit_exceeded" }, { perCustomer: this.state.show.seats_per_customer });
      this._notify({ tone: "warn", title, text });
    } else {
      this._notify({
        tone: "warn",
        title: ngettext("You can select {n} seat", "You can select {n} seats at a time", limit),
        text: _("Take one out of your selection first."),
      });
    }
  }

  _notify(notice) {
    this.state.set({ notice });
    this.announcer.alert([notice.title, notice.text].filter(Boolean).join(". "));
  }

  /** Whether companion seats need an accessible seat beside them now. */
  get companionsBound() {
    return companionsBound(this.state.show.starts_at, this.now());
  }
}
