/** Refusals in the customer's words: what happened, and what can be done. */

import { money } from "../format.js";
import { _, ngettext } from "../words.js";
import { listOf } from "./numbers.js";

/**
 * @param {{code: string, detail?: string, seats?: string[], retry_after_s?: number, sales_start_at?: string}} problem
 * @param {{perCustomer: number, when: (iso: string) => string}} show
 * @returns {{title: string, text: string}}
 */
export function explain(problem, show) {
  const seats = problem.seats ?? [];
  const said = WORDS[problem.code];
  if (said !== undefined) return said(problem, seats, show);
  return {
    title: _("That did not work"),
    text: problem.detail ?? _("Nothing was booked. Please try again."),
  };
}

const other = () => _("Choose another show on the programme.");

const WORDS = {
  seat_taken: (problem, seats) => ({
    title: ngettext("{seats} is taken", "{seats} are taken", seats.length, { seats: listOf(seats) }),
    text: _("Nothing was held."),
  }),
  seat_blocked: (problem, seats) => ({
    title: ngettext("{seats} is not for sale", "{seats} are not for sale", seats.length, { seats: listOf(seats) }),
    text: _("Nothing was held. Choose other seats."),
  }),
  seat_unknown: () => ({ title: _("This show has changed"), text: _("Load the page again to see its seats.") }),
  companion_only: (problem, seats) => ({
    title: ngettext("{seats} is for a companion", "{seats} are for companions", seats.length, { seats: listOf(seats) }),
    text: _("Until the day before the show these seats go with the wheelchair space beside them. Take both, or choose another seat."),
  }),
  not_enough_seats: () => ({
    title: _("There are not that many seats side by side"),
    text: _("Ask for fewer seats, another section or price, or allow seats that are apart."),
  }),
  limit_exceeded: (problem, seats, show) => ({
    title: ngettext(
      "A customer can have {n} seat in this show",
      "A customer can have {n} seats in this show",
      show.perCustomer,
    ),
    text: _("Your own holds and bookings count. Choose fewer seats, or give some back first."),
  }),
  too_many_seats: () => ({ title: _("Too many seats at a time"), text: _("Hold ten seats at most, then the others.") }),
  not_on_sale: (problem, seats, show) => ({
    title: problem.sales_start_at
      ? _("Sales start {when}", { when: show.when(problem.sales_start_at) })
      : _("This show is not on sale"),
    text: problem.sales_start_at ? _("Your selection stays here. Come back then.") : other(),
  }),
  show_closed: () => ({ title: _("Sales have ended"), text: other() }),
  show_cancelled: () => ({ title: _("This show is cancelled"), text: other() }),
  show_started: () => ({ title: _("This show has started"), text: other() }),
  hold_expired: () => ({
    title: _("Your hold has run out"),
    text: _("The seats went back on sale. Select them again if they are still free."),
  }),
  hold_limit: () => ({
    title: _("This hold cannot be extended any more"),
    text: _("A hold lasts 30 minutes at most. Confirm it before it runs out."),
  }),
  already_confirmed: () => ({ title: _("This booking is confirmed"), text: _("You have the tickets.") }),
  already_cancelled: () => ({ title: _("These seats were given back"), text: _("Select seats again.") }),
  price_differs: () => ({ title: _("These seats have another price"), text: _("Choose seats with the same total.") }),
  payment_required: () => ({
    title: _("This show is paid for before it is confirmed"),
    text: _("Your seats stay held while the clock runs."),
  }),
  not_yours: () => ({
    title: _("These seats are held by another account"),
    text: _("Log in with the account that holds them."),
  }),
  rate_limited: (problem) => ({
    title: _("That was often in a short time"),
    text: problem.retry_after_s
      ? ngettext(
          "Please wait {n} second and try again. Your selection stays here.",
          "Please wait {n} seconds and try again. Your selection stays here.",
          problem.retry_after_s,
        )
      : _("Please wait a moment and try again. Your selection stays here."),
  }),
};

/** The total of seats: money of one currency. */
export function totalOf(layout, indexes) {
  const prices = [...indexes].map((index) => layout.price(index));
  if (prices.length === 0) return "";
  return money({ amount: prices.reduce((sum, price) => sum + price.amount, 0), currency: prices[0].currency });
}
