// Prices, dates and times as the page's language writes them. The server's pages do the same (gateway/site/formats.py).

import { locale } from "./words.js";

const made = new Map();

/** Makes a format once: they are slow to make. */
function format(Kind, options) {
  const key = Kind.name + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Kind(locale, options));
  return made.get(key);
}

/** The digits of a currency's minor unit by ISO 4217, where they are not those of CLDR, which are those of cash. */
const ISO_DIGITS = {
  AFN: 2, ALL: 2, COP: 2, HUF: 2, IDR: 2, IQD: 3, IRR: 2, KPW: 2, LAK: 2, LBP: 2, MGA: 2, MMK: 2, PKR: 2, RSD: 2,
  SLE: 2, SOS: 2, SYP: 2, UYW: 4, YER: 2,
}; // prettier-ignore

const currencies = new Map();

/** The format of a currency, and the digits of its minor unit. */
function currencyFormat(currency) {
  let known = currencies.get(currency);
  if (known === undefined) {
    const options = { style: "currency", currency };
    const digits = ISO_DIGITS[currency] ?? new Intl.NumberFormat(locale, options).resolvedOptions().maximumFractionDigits;
    const exact = { ...options, minimumFractionDigits: digits, maximumFractionDigits: digits };
    currencies.set(currency, (known = { digits, format: new Intl.NumberFormat(locale, exact) }));
  }
  return known;
}

/**
 * A price, such as "€12.50".
 * @param {{amount: number, currency: string}} price in minor units
 */
export function money({ amount, currency }) {
  const { digits, format } = currencyFormat(currency);
  return format.format(amount / 10 ** digits);
}

/**
 * A day, such as "Saturday 21 November 2026".
 * @param {string | number} moment as the API writes it, or in milliseconds
 * @param {string} zone the show's time zone
 * @param {"full" | "long" | "medium" | "short"} [style]
 */
export function date(moment, zone, style = "full") {
  return format(Intl.DateTimeFormat, { dateStyle: style, timeZone: zone }).format(new Date(moment));
}

/** A time of day, such as "19:30". */
export function time(moment, zone) {
  return format(Intl.DateTimeFormat, { timeStyle: "short", timeZone: zone }).format(new Date(moment));
}

/** Day and time, such as "Saturday 21 November 2026, 19:30". */
export function dateTime(moment, zone, style = "full") {
  return `${date(moment, zone, style)}, ${time(moment, zone)}`;
}
