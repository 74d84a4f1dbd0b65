/** The list of the customer's bookings: coming, past, cancelled, a page at a time. */

import { call } from "./api.js";
import { statusChip } from "./booking_words.js";
import { element } from "./element.js";
import { enable } from "./enable.js";
import { dateTime, money } from "./format.js";
import { problemText } from "./problem_words.js";
import { loadShow } from "./shows.js";
import { _, ngettext } from "./words.js";

const QUERIES = { coming: "when=coming&status=live", past: "when=past&status=live", cancelled: "status=cancelled" };

export class MyBookings {
  /** @param {HTMLElement} root the section with the list and its buttons */
  constructor(root) {
    this._list = root.querySelector("#bookings-list");
    this._none = root.querySelector("#bookings-none");
    this._more = root.querySelector("#bookings-more");
    this._status = root.querySelector("#bookings-status");
    this._chips = [...root.querySelectorAll("[data-bookings]")];
    this._kind = "coming";
    this._cursor = null;
    /** The number of lists opened so far. What belongs to an earlier one comes too late. */
    this._opened = 0;
    for (const chip of this._chips) chip.addEventListener("click", () => this.open(chip.dataset.bookings));
    this._more.addEventListener("click", () => this._load());
    enable(root);
  }

  /** Shows one of the lists, the chosen one by default. @param {"coming" | "past" | "cancelled"} kind */
  async open(kind = this._kind) {
    this._kind = kind;
    this._cursor = null;
    this._opened += 1;
    for (const chip of this._chips) chip.setAttribute("aria-pressed", String(chip.dataset.bookings === kind));
    this._list.replaceChildren();
    this._none.hidden = true;
    await this._load();
  }

  async _load() {
    const kind = this._kind;
    const opened = this._opened;
    const cursor = this._cursor === null ? "" : `&cursor=${encodeURIComponent(this._cursor)}`;
    this._more.hidden = true;
    let page, shows;
    try {
      page = await call("GET", `/api/me/bookings?${QUERIES[kind]}&limit=20${cursor}`, { auth: "needed" });
      shows = new Map(await Promise.all([...new Set(page.items.map((one) => one.show_id))].map(async (id) => [id, await loadShow(id)])));
    } catch (error) {
      if (opened !== this._opened) return;
      this._none.textContent = problemText(error).text;
      this._none.hidden = false;
      return;
    }
    if (opened !== this._opened) return; // another list was opened meanwhile, or the same one once more
    this._list.append(...page.items.map((booking) => line(booking, shows.get(booking.show_id))));
    this._cursor = page.next_cursor;
    this._more.hidden = page.next_cursor === null;
    const count = this._list.childElementCount;
    this._none.textContent = NONE[kind]();
    this._none.hidden = count > 0;
    this._status.textContent = ngettext("{n} booking", "{n} bookings", count);
  }
}

const NONE = {
  coming: () => _("You have no tickets for coming shows. Find a film on the programme."),
  past: () => _("You have not been to a show yet."),
  cancelled: () => _("You have cancelled nothing."),
};

function line(booking, show) {
  return element(
    "li",
    {},
    element(
      "a",
      { href: `/bookings/${booking.id}` },
      element("strong", { dir: "auto" }, show.movie.title),
      statusChip(booking.status),
      element("span", {}, `${dateTime(show.starts_at, show.timezone, "medium")} · ${show.screen_name}`),
      element("span", {}, money(booking.total)),
      element("span", { class: "seats" }, booking.seats.join(", ")),
    ),
  );
}
