/** The legend: prices by section, the states by their shapes, and the kinds of seats that this layout has. */

import { element } from "../element.js";
import { money } from "../format.js";
import { _ } from "../words.js";
import { tierOf } from "./colours.js";
import { kindWord } from "./seat_words.js";

const STATES = [
  ["available", () => _("available")],
  ["selected", () => _("selected")],
  ["mine", () => _("yours")],
  ["held", () => _("held by somebody else")],
  ["sold", () => _("sold")],
  ["blocked", () => _("not for sale")],
];

/** The letters of the kinds that occur, besides ordinary seats. */
export function kindsOf(layout) {
  return ["w", "c", "r"].filter((kind) => layout.kinds?.includes(kind));
}

/**
 * @param {HTMLElement} container
 * @param {import("./layout.js").SeatLayout} layout
 */
export function showLegend(container, layout) {
  const shown = layout.sections.filter(({ count }) => count > 0);
  const few = shown.slice(0, 24);
  const rows = few.map(({ name, prices: some }) =>
    element(
      "li",
      {},
      element("span", {}, name === "" ? _("All seats") : name),
      ...some.map((price) => element("span", { class: "price", "data-tier": tierNumber(layout, price) }, money(price))),
    ),
  );
  if (shown.length > few.length) rows.push(element("li", { class: "quiet" }, _("and more")));
  const states = STATES.map(([state, word]) => sample({ "data-state": state }, word()));
  const special = kindsOf(layout).map((kind) => sample({ "data-state": "available", "data-kind": kind }, kindWord(kind)));
  container.replaceChildren(
    element("ul", { class: "legend-prices" }, ...rows),
    element("ul", { class: "legend-shapes" }, ...states, ...special),
  );
}

function tierNumber({ prices }, price) {
  return tierOf(prices.indexOf(price), prices.length) + 1;
}

function sample(attributes, word) {
  return element("li", {}, element("span", { class: "seat sample", "aria-hidden": "true", ...attributes }), word);
}
