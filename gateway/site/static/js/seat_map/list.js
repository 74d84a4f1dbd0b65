/**
 * The seats of the section in focus as a grid of buttons: the accessible path, and the large targets beside the map.
 *
 * One seat of the grid is in the tab order; arrow keys move by row and column, Home and End to the ends of the row, with
 * Ctrl of the section, Page Up and Page Down by a page. At most SEATS_PER_PAGE buttons are in the page at a time.
 */

import { element, setAttribute, setText } from "../element.js";
import { _, ngettext } from "../words.js";
import { findSeat, linesOf, pagesOf } from "./lines.js";
import { tierOf } from "./colours.js";
import { kindWord, seatName, stateClass } from "./seat_words.js";

const SHORT_NAME = 3;
/** Pixels between a seat that is scrolled to and the edge of the list. */
const MARGIN = 8;
/** Seats whose states are shown at once; more wait for the frame after the one in which the map draws them. */
const AT_ONCE = 20;

export class SeatList {
  /**
   * Empty until a section is opened.
   *
   * @param {HTMLElement} container
   * @param {import("./layout.js").SeatLayout} layout
   * @param {import("./places.js").Places} places
   * @param {import("./states.js").SeatStates} states
   * @param {{selected: Set<number>, mine: Set<number>, onSeat: (index: number) => void, onFocus?: (index: number) => void}} options
   */
  constructor(container, layout, places, states, options) {
    this._layout = layout;
    this._places = places;
    this._states = states;
    this._options = options;
    this._buttons = new Map();
    this._accessibleOnly = false;
    this._section = 0;
    this._page = 0;
    this._column = 0;
    this._pages = [[]];
    this._current = -1;
    this._late = new Set();

    this._grid = element("div", { role: "grid", class: "seat-grid", "aria-describedby": "seat-keys" });
    this._empty = element("p", { class: "quiet-text", hidden: true });
    this._shown = element("span");
    this._info = element("p", { class: "seat-info", "aria-hidden": "true" });
    this._previous = element("button", { type: "button", class: "button quiet", onclick: () => this._turn(-1) }, _("Previous rows"));
    this._next = element("button", { type: "button", class: "button quiet", onclick: () => this._turn(1) }, _("Next rows"));
    this._jump = element("select", { class: "page-jump", "aria-label": _("Rows"), onchange: () => this._open(this._jump.selectedIndex) });
    this._top = element("div", { class: "seat-pages" }, this._jump, this._shown);
    this._turner = element("div", { class: "seat-pages", hidden: true }, this._previous, this._next);
    this._scroller = element("div", { class: "seat-scroller" }, this._grid, this._empty, this._turner);
    container.replaceChildren(this._top, this._scroller, this._info);
    this._grid.addEventListener("click", (event) => this._clicked(event));
    this._grid.addEventListener("keydown", (event) => this._pressed(event));
    this._grid.addEventListener("focusin", (event) => this._focused(event));
    this._grid.addEventListener("pointerover", (event) => this._describe(event.target.closest("button[data-seat]")));
  }

  /** The section that is shown. */
  get section() {
    return this._section;
  }

  /** Shows a section from its first row. */
  openSection(section) {
    this._section = section;
    this._divide();
    this._open(0);
  }

  /** Shows only accessible seats and those of their companions, or all again. */
  showAccessibleOnly(only) {
    this._accessibleOnly = only;
    this.openSection(this._section);
  }

  /** Brings a seat into the list, and moves the focus to it if asked. */
  showSeat(index, focus = false) {
    const section = this._layout.sectionOf[index];
    if (section !== this._section) {
      this._section = section;
      this._divide();
      this._open(0, index);
    }
    const found = findSeat(this._pages, index);
    if (found === null) return;
    if (found.page !== this._page) this._open(found.page, index);
    this._moveTo(index, focus);
    this._scrollTo(this._buttons.get(index));
  }

  /** Scrolls the list to a seat, and never the page: the map would leave the screen while seats are tapped on it. */
  _scrollTo(button) {
    if (button === undefined) return;
    const frame = this._scroller.getBoundingClientRect();
    const box = button.getBoundingClientRect();
    if (box.top < frame.top) this._scroller.scrollTop -= frame.top - box.top + MARGIN;
    else if (box.bottom > frame.bottom) this._scroller.scrollTop += box.bottom - frame.bottom + MARGIN;
  }

  /** Shows the states of these seats at once. */
  update(indexes) {
    for (const index of indexes) {
      const button = this._buttons.get(index);
      if (button !== undefined) this._show(index, button);
    }
  }

  /** Shows the states of these seats, of all where it is null, soon: a message of many changes takes more than a frame. */
  updateSoon(indexes) {
    const shown = indexes === null ? [...this._buttons.keys()] : indexes.filter((index) => this._buttons.has(index));
    if (shown.length <= AT_ONCE) {
      this.update(shown);
      return;
    }
    if (this._late.size === 0) requestAnimationFrame(() => setTimeout(() => this._updateLate()));
    for (const index of shown) this._late.add(index);
  }

  _updateLate() {
    this.update(this._late);
    this._late.clear();
  }

  _divide() {
    const special = (index) => this._layout.kindOf(index) === "w" || this._layout.kindOf(index) === "c";
    this._pages = pagesOf(linesOf(this._layout, this._section, this._accessibleOnly ? special : undefined));
    const many = this._pages.length > 1;
    this._jump.hidden = !many;
    this._turner.hidden = !many;
    this._jump.replaceChildren(...(many ? this._pages.map((page) => element("option", {}, this._pageName(page))) : []));
  }

  _pageName(page) {
    const [first, last] = [page[0], page.at(-1)];
    if (first.name !== "" && first.name !== last.name) return _("{first} to {last}", { first: first.name, last: last.name });
    return _("{first} to {last}", { first: this._layout.label(first.seats[0]), last: this._layout.label(last.seats.at(-1)) });
  }

  _open(page, current = -1) {
    this._page = Math.max(0, Math.min(page, this._pages.length - 1));
    this._buttons.clear();
    const lines = this._pages[this._page];
    const wanted = current >= 0 ? current : (lines[0]?.seats[0] ?? -1);
    this._current = wanted;
    this._grid.replaceChildren(...lines.map((line) => this._line(line)));
    const name = this._layout.sections[this._section].name;
    setAttribute(this._grid, "aria-label", name === "" ? _("Seats") : _("Seats of {section}", { section: name }));
    this._empty.hidden = lines.length > 0;
    this._grid.hidden = lines.length === 0;
    setText(this._empty, lines.length > 0 ? "" : _("This section has no wheelchair spaces."));
    this._jump.selectedIndex = this._page;
    setAttribute(this._previous, "aria-disabled", this._page === 0 ? "true" : null);
    setAttribute(this._next, "aria-disabled", this._page === this._pages.length - 1 ? "true" : null);
    const { count: total } = this._layout.sections[this._section];
    setText(this._shown, ngettext("{n} seat in this section", "{n} seats in this section", total));
  }

  _turn(by) {
    const page = this._page + by;
    if (page < 0 || page >= this._pages.length) return;
    this._open(page);
    this._scroller.scrollTop = 0;
  }

  _line(line) {
    const long = line.name.length > SHORT_NAME;
    const name =
      line.name === "" ? null : element("span", { role: "rowheader", class: `row-name${long ? " long" : ""}` }, line.name);
    const cells = line.seats.map((index, position) => {
      const next = line.seats[position + 1];
      const aisle = next !== undefined && !this._places.adjacent(index, next);
      return element("span", { role: "gridcell", class: aisle ? "before-aisle" : null }, this._button(index));
    });
    return element("div", { role: "row", class: "seat-row" }, name, ...cells);
  }

  _button(index) {
    const kind = this._layout.kindOf(index);
    const { priceOf, prices } = this._layout;
    const attributes = {
      type: "button",
      class: "seat",
      "data-seat": index,
      "data-kind": kindWord(kind) === "" ? null : kind,
      "data-tier": tierOf(priceOf[index], prices.length) + 1,
    };
    const button = element("button", attributes, this._layout.shortLabel(index));
    button.tabIndex = index === this._current ? 0 : -1;
    this._buttons.set(index, button);
    this._show(index, button);
    return button;
  }

  _show(index, button) {
    const letter = this._states.letters[index];
    const mine = this._options.mine.has(index);
    const selected = this._options.selected.has(index);
    setAttribute(button, "data-state", selected ? "selected" : stateClass(letter, mine));
    setAttribute(button, "aria-label", seatName(this._layout, index, letter, mine));
    setAttribute(button, "aria-pressed", selected ? "true" : "false");
    setAttribute(button, "aria-disabled", this._states.isAvailable(index) || selected || mine ? null : "true");
  }

  _clicked(event) {
    const button = event.target.closest("button[data-seat]");
    if (button !== null) this._options.onSeat(Number(button.dataset.seat));
  }

  _focused(event) {
    const button = event.target.closest("button[data-seat]");
    if (button === null) return;
    const index = Number(button.dataset.seat);
    const found = findSeat([this._pages[this._page]], index);
    if (index !== this._current && found !== null) this._column = found.column;
    this._moveTo(index, false);
    this._describe(button);
    if (button.matches(":focus-visible")) this._options.onFocus?.(index);
  }

  /** Says in writing what assistive technology reads out. */
  _describe(button) {
    if (button !== null) setText(this._info, button.getAttribute("aria-label"));
  }

  _moveTo(index, focus) {
    const before = this._buttons.get(this._current);
    if (before !== undefined) before.tabIndex = -1;
    this._current = index;
    const button = this._buttons.get(index);
    if (button === undefined) return;
    button.tabIndex = 0;
    if (focus) button.focus();
  }

  _pressed(event) {
    if (event.altKey || event.metaKey || !event.target.closest("button[data-seat]")) return;
    const found = findSeat([this._pages[this._page]], this._current);
    if (found === null) return;
    const rtl = getComputedStyle(this._grid).direction === "rtl";
    const moves = {
      ArrowRight: () => this._besides(found, rtl ? -1 : 1),
      ArrowLeft: () => this._besides(found, rtl ? 1 : -1),
      ArrowDown: () => this._above(found.line + 1),
      ArrowUp: () => this._above(found.line - 1),
      Home: () => (event.ctrlKey ? this._ofSection(true) : this._inLine(found.line, 0)),
      End: () => (event.ctrlKey ? this._ofSection(false) : this._inLine(found.line, Infinity)),
      PageDown: () => this._toPage(this._page + 1),
      PageUp: () => this._toPage(this._page - 1),
    };
    const move = moves[event.key];
    if (move === undefined || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
    event.preventDefault();
    move();
  }

  _besides(found, by) {
    const seats = this._pages[this._page][found.line].seats;
    const column = found.column + by;
    if (column < 0 || column >= seats.length) return;
    this._column = column;
    this._moveTo(seats[column], true);
  }

  _inLine(line, column) {
    const seats = this._pages[this._page][line].seats;
    this._column = Math.max(0, Math.min(column, seats.length - 1));
    this._moveTo(seats[this._column], true);
  }

  _above(line) {
    let page = this._page;
    if (line < 0) page -= 1;
    else if (line >= this._pages[page].length) page += 1;
    if (page < 0 || page >= this._pages.length) return;
    const into = line < 0 ? this._pages[page].length - 1 : page === this._page ? line : 0;
    const seats = this._pages[page][into].seats;
    const index = seats[Math.min(this._column, seats.length - 1)];
    if (page !== this._page) this._open(page, index);
    this._moveTo(index, true);
  }

  _toPage(page) {
    if (page < 0 || page >= this._pages.length) return;
    this._open(page);
    this._column = 0;
    this._moveTo(this._current, true);
  }

  _ofSection(first) {
    const page = first ? 0 : this._pages.length - 1;
    const lines = this._pages[page];
    const index = first ? lines[0].seats[0] : lines.at(-1).seats.at(-1);
    if (page !== this._page) this._open(page, index);
    this._column = first ? 0 : lines.at(-1).seats.length - 1;
    this._moveTo(index, true);
  }
}
