/** The words for a booking's status. */

import { element } from "./element.js";
import { _ } from "./words.js";

const WORDS = {
  confirmed: () => _("confirmed"),
  held: () => _("held"),
  cancelled: () => _("cancelled"),
  released: () => _("given back"),
  expired: () => _("run out"),
};
const TONES = { confirmed: "good", held: "warn" };

/** @param {string} status */
export function statusWord(status) {
  return WORDS[status]?.() ?? status;
}

/** @param {string} status */
export function statusChip(status) {
  return element("span", { class: `chip small ${TONES[status] ?? "bad"}` }, statusWord(status));
}
