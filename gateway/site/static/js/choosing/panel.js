/** "Your seats": bookings, holds and the selection in full, with what can be done with each. */

import { element, renderList, setAttribute, setText } from "../element.js";
import { money } from "../format.js";
import { kindWord } from "../seat_map/seat_words.js";
import { _, ngettext } from "../words.js";
import { alone, offered, spacesBeside } from "./companions.js";
import { listOf } from "./numbers.js";

export class Panel {
  /**
   * @param {HTMLElement} root
   * @param {import("./choosing.js").Choosing} choosing
   * @param {{showSeat: (index: number) => void}} view
   */
  constructor(root, choosing, view) {
    this._choosing = choosing;
    this._view = view;
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    this._booked = part("booked");
    this._holds = part("holds");
    this._empty = part("empty");
    this._selected = part("selected");
    this._companions = part("companions");
    choosing.state.addEventListener("change", () => this.render());
    this.render();
  }

  render() {
    const { state } = this._choosing;
    renderList(this._booked, state.booked, ({ id }) => id, bookedLine);
    renderList(this._holds, state.holds, (hold) => `${hold.id} ${hold.seats}`, (hold) => this._hold(hold), (node, hold) => this._showHold(node, hold));
    this._empty.hidden = state.holds.length > 0 || state.selected.size > 0;
    const selected = [...state.selected].sort((a, b) => a - b);
    renderList(this._selected, selected, String, (index) => this._seat(index));
    this._selected.hidden = selected.length === 0;
    renderList(this._companions, this._companionNotes(), ({ key }) => key, ({ text, seat }) => this._companion(text, seat));
  }

  _hold(hold) {
    const choosing = this._choosing;
    const current = () => choosing.state.holds.find(({ id }) => id === hold.id) ?? hold;
    return element(
      "li",
      { class: "hold-card" },
      element("h3", {}, ngettext("{n} seat is held for you", "{n} seats are held for you", hold.seats.length)),
      element("p", {}, `${listOf(hold.seats)} · ${money(hold.total)}`),
      element(
        "p",
        { class: "row" },
        element("button", { type: "button", class: "button", "data-part": "change", onclick: () => choosing.startChange(current()) }, _("Change seats")),
        element("button", { type: "button", class: "button", "data-part": "release", onclick: () => choosing.release(current()) }, _("Release")),
        element("button", { type: "button", class: "button", "data-part": "keep", onclick: () => choosing.stopChange() }, _("Keep the seats as they are")),
      ),
    );
  }

  _showHold(node, hold) {
    const { busy, changing } = this._choosing.state;
    const own = changing?.id === hold.id;
    for (const button of node.querySelectorAll("button")) {
      setAttribute(button, "aria-disabled", busy === null ? null : "true");
      button.hidden = (button.dataset.part === "keep") !== own;
    }
  }

  _seat(index) {
    const { layout, selection } = this._choosing;
    const label = layout.label(index);
    const section = layout.sections[layout.sectionOf[index]].name;
    const words = [section, kindWord(layout.kindOf(index)), money(layout.price(index))].filter((word) => word !== "");
    return element(
      "li",
      { class: "chosen-seat" },
      element("button", { type: "button", class: "link-button", onclick: () => this._view.showSeat(index) }, label),
      element("span", { class: "quiet-text" }, words.join(" · ")),
      element(
        "button",
        { type: "button", class: "remove", "aria-label": _("Remove {seat}", { seat: label }), onclick: () => selection.remove([index]) },
        "×",
      ),
    );
  }

  /** @returns {{key: string, text: string, seat: number | null}[]} */
  _companionNotes() {
    const { state, layout, places, selection, companionsBound } = this._choosing;
    const label = (index) => layout.label(index);
    const notes = [];
    if (companionsBound) {
      for (const seat of alone(state.selected, state.mine, layout, places)) {
        const space = spacesBeside(seat, layout, places).find((index) => selection.isFree(index)) ?? null;
        const text =
          space === null
            ? _("{seat} is for the companion of somebody in the wheelchair space beside it, which is taken. Choose another seat.", { seat: label(seat) })
            : _("{seat} is for a companion: until the day before the show it goes with the wheelchair space beside it, {space}.", { seat: label(seat), space: label(space) });
        notes.push({ key: `alone ${seat}`, text, seat: space });
      }
    }
    for (const { space, companion } of offered(state.selected, layout, places, (index) => selection.isFree(index))) {
      const text = _("Beside {space} there is a seat for a companion: {seat}, {price}.", {
        space: label(space),
        seat: label(companion),
        price: money(layout.price(companion)),
      });
      notes.push({ key: `offer ${companion}`, text, seat: companion });
    }
    return notes;
  }

  _companion(text, seat) {
    const add = () => this._choosing.addSeats([seat]);
    const button =
      seat === null
        ? null
        : element("button", { type: "button", class: "button", onclick: add }, _("Add {seat}", { seat: this._choosing.layout.label(seat) }));
    return element("li", { class: "notice warn" }, element("span", {}, text), button);
  }
}

function bookedLine(booking) {
  return element(
    "li",
    { class: "notice good" },
    element("span", {}, _("You have booked {seats} for this show.", { seats: listOf(booking.seats) })),
    element("a", { href: `/bookings/${booking.id}` }, _("See your tickets")),
  );
}
