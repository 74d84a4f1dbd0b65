/** The words for a seat: its accessible name, its kind and its state. */

import { money } from "../format.js";
import { _ } from "../words.js";
import { AVAILABLE, HELD, SOLD } from "./states.js";


/** @param {string} kind the letter of a kind; nothing for an ordinary seat */
export function kindWord(kind) {
  if (kind === "w") return _("wheelchair space");
  if (kind === "c") return _("companion seat");
  if (kind === "r") return _("restricted view");
  return "";
}

/** @param {number} letter char code of a state */
export function stateWord(letter, mine = false) {
  if (mine) return letter === SOLD ? _("booked by you") : _("held by you");
  if (letter === AVAILABLE) return _("available");
  if (letter === HELD) return _("held by somebody else");
  if (letter === SOLD) return _("sold");
  return _("not for sale");
}

/** The state as a word for style sheets: `available`, `held`, `sold`, `blocked` or `mine`. */
export function stateClass(letter, mine = false) {
  if (mine) return "mine";
  if (letter === AVAILABLE) return "available";
  if (letter === HELD) return "held";
  return letter === SOLD ? "sold" : "blocked";
}

/**
 * The name of a seat for assistive technology: `C12, row C, Stalls, €12.50, wheelchair space, available`.
 * @param {import("./layout.js").SeatLayout} layout
 */
export function seatName(layout, index, letter, mine = false) {
  const row = layout.rows[layout.rowOf[index]].name;
  return [
    layout.label(index),
    row === "" ? "" : _("row {row}", { row }),
    layout.sections[layout.sectionOf[index]].name,
    money(layout.price(index)),
    kindWord(layout.kindOf(index)),
    stateWord(letter, mine),
  ]
    .filter((part) => part !== "")
    .join(", ");
}
