/** The warnings before a hold ends, seen and heard, each with "More time". */

import { _, ngettext } from "../words.js";
import { listOf } from "./numbers.js";

const LAST_S = 30;

/**
 * @param {import("./countdown.js").Countdown} countdown
 * @param {import("./choosing.js").Choosing} choosing
 */
export function warnOfTheEnd(countdown, choosing) {
  countdown.addEventListener("warning", ({ detail: { hold, seconds } }) => {
    const last = seconds <= LAST_S;
    const left = last
      ? ngettext("{n} second left", "{n} seconds left", seconds)
      : ngettext("{n} minute left", "{n} minutes left", Math.max(1, Math.round(seconds / 60)));
    const text = _("{left} for {seats}. Confirm them, or press More time.", { left, seats: listOf(hold.seats) });
    if (last) choosing.announcer.alert(text);
    else choosing.announcer.say(text);
  });
  countdown.addEventListener("end", ({ detail }) => choosing.ended(detail));
}
