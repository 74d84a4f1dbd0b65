/** The notice for selected seats that somebody else took: what stays, why, and the nearest equal seats. */

import { _, ngettext } from "../words.js";
import { nearestEqual } from "./alternatives.js";
import { listOf, oneDecimal } from "./numbers.js";

const A_MOMENT_S = 0.05;
const LONG_S = 10;

/**
 * @param {number[]} lost
 * @param {boolean} refused whether a request for them was refused; otherwise they went while they were selected
 * @param {import("./choosing.js").Choosing} choosing
 * @returns {import("./state.js").Notice}
 */
export function lostNotice(lost, refused, choosing) {
  const { state, layout, places, selection, recent } = choosing;
  const labels = listOf(lost.map((index) => layout.label(index)));
  const seconds = lost.map((index) => recent.secondsSince(index)).find((since) => since !== null) ?? null;
  const sentences = [];
  if (refused) sentences.push(why(seconds));
  if (state.selected.size > 0) {
    sentences.push(
      ngettext("Your other seat stays selected.", "Your other {n} seats stay selected.", state.selected.size),
    );
  }
  const equal = nearestEqual(lost, state.selected, layout, places, (index) => selection.isFree(index));
  const actions = [];
  if (equal.length > 0) {
    const instead = listOf(equal.map((index) => layout.label(index)));
    sentences.push(
      ngettext("The nearest seat at the same price is {seats}.", "The nearest seats at the same price are {seats}.", equal.length, {
        seats: instead,
      }),
    );
    actions.push({ label: _("Take {seats} instead", { seats: instead }), run: () => choosing.addSeats(equal) });
  }
  return {
    tone: "bad",
    title: ngettext("{seats} was just taken", "{seats} were just taken", lost.length, { seats: labels }),
    text: sentences.join(" "),
    actions,
  };
}

function why(seconds) {
  if (seconds === null || seconds < A_MOMENT_S || seconds > LONG_S) return _("Somebody else was a moment quicker.");
  return _("It was taken {seconds} s before you.", { seconds: oneDecimal(seconds) });
}
