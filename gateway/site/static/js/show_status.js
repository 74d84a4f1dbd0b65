/** What is said about the show while the page is open: its status, the seats left, the connection, what changed. */

import { element, setAttribute, setText } from "./element.js";
import { time } from "./format.js";
import { _, ngettext } from "./words.js";

const REFETCH_AT_MOST_EVERY_MS = 10_000;
const COUNT_EVERY_MS = 500;

export class LiveStatus {
  constructor({ state, states, layout, live, recent, announcer, now }) {
    this._state = state;
    this._states = states;
    this._layout = layout;
    this._recent = recent;
    this._announcer = announcer;
    this._now = now;
    this._fetchedAt = -Infinity;
    this._later = 0;
    this._left = document.getElementById("seats-left");
    this._connection = document.getElementById("connection");
    this._banner = document.getElementById("show-status");
    this._changes = document.getElementById("changes");
    document.getElementById("what-changed").addEventListener("click", () => this._tellChanges());
    live.addEventListener("status", ({ detail }) => this._take(detail));
    live.addEventListener("resumed", () => this._fetch());
    live.addEventListener("connection", ({ detail }) => this._showConnection(detail));
    let timer = 0;
    states.addEventListener("change", () => {
      timer ||= setTimeout(() => {
        timer = 0;
        this._count();
      }, COUNT_EVERY_MS);
    });
    this._count();
    this._showConnection(live.connection);
    this._startOfSales();
  }

  _count() {
    const left = this._states.left();
    setText(this._left, ngettext("{n} of {total} seats left", "{n} of {total} seats left", left, { total: this._layout.count }));
  }

  _showConnection(connection) {
    setAttribute(this._connection, "data-connection", connection);
    setText(
      this._connection,
      { live: _("Live"), polling: _("Updated every few seconds"), lost: _("Connecting …") }[connection],
    );
  }

  _tellChanges() {
    const { since, taken, freed } = this._recent.take();
    const from = time(since, this._state.show.timezone);
    const parts = [
      ngettext("{n} seat taken", "{n} seats taken", taken.length),
      ngettext("{n} seat free again", "{n} seats free again", freed.length),
    ];
    const text =
      taken.length + freed.length === 0
        ? _("Nothing has changed since {time}.", { time: from })
        : _("Since {time}: {changes}.", { time: from, changes: parts.join(", ") });
    this._count();
    setText(this._changes, text);
    this._announcer.say(`${text} ${this._left.textContent}.`);
  }

  /** A gap may hide a change of status, also the one between the page and its first live message. */
  async _fetch() {
    const wait = this._fetchedAt + REFETCH_AT_MOST_EVERY_MS - this._now();
    if (wait > 0) {
      this._later ||= setTimeout(() => this._fetch(), wait);
      return;
    }
    clearTimeout(this._later);
    this._later = 0;
    this._fetchedAt = this._now();
    try {
      const response = await fetch(`/api/shows/${this._state.show.id}`);
      if (response.ok) this._take((await response.json()).status);
    } catch {
      // The next connection asks again.
    }
  }

  _take(status) {
    if (status === this._state.status) return;
    this._state.set({ status });
    const text = {
      on_sale: _("This show is on sale now."),
      closed: _("Sales have ended. Seats that you hold stay yours until their time runs out."),
      cancelled: _("This show is cancelled."),
      past: _("This show has started."),
      scheduled: _("Sales have not started yet."),
      opening: _("This show is being prepared for sale."),
    }[status];
    if (text === undefined) return;
    this._banner.hidden = false;
    this._banner.className = `notice ${status === "on_sale" ? "good" : "warn"}`;
    const way = status === "on_sale" ? [] : [element("a", { class: "button", href: "/" }, _("Programme"))];
    this._banner.replaceChildren(element("p", {}, text), ...way);
    this._announcer.say(text);
  }

  /** Asks for the status when sales are to start, should nobody say so. */
  _startOfSales() {
    const startsAt = Date.parse(this._state.show.sales_start_at ?? "");
    const rest = startsAt - this._now();
    if (this._state.status === "scheduled" && rest < 2 ** 31) setTimeout(() => this._fetch(), Math.max(0, rest) + 500);
  }
}
