/** Decimal numbers and lists as the page's language writes them. */

import { locale } from "../words.js";

const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const lists = new Intl.ListFormat(locale, { type: "conjunction" });

/** `0.2` */
export function oneDecimal(value) {
  return tenths.format(value);
}

/** `C12, C13 and C14` */
export function listOf(texts) {
  return lists.format(texts);
}
