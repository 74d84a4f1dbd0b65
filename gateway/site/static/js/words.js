// The words of the page's language. Messages are English; the catalogue has their translations.

/** The code of the page's language, such as "de". */
export const lang = document.documentElement.lang;

// Without its words a page still works, in English.
const english = { locale: "en-GB", isPlural: (n) => n !== 1, messages: {} };
const { locale, isPlural, messages } = await import(`../words/${lang}.js`).catch(() => english);

/** The locale of dates, prices and numbers, such as "en-GB". */
export { locale };

const numbers = new Intl.NumberFormat(locale);

/** A number as the language writes it. */
export function number(value) {
  return numbers.format(value);
}

/**
 * The translation of a message, with its placeholders filled in.
 * @param {string} message in English, such as "Hold {seats}"
 * @param {Record<string, string | number>} [values]
 */
export function _(message, values) {
  const found = messages[message] ?? message;
  return filled(Array.isArray(found) ? found[0] : found, values);
}

/**
 * The translation that fits a number, which is also the placeholder {n}.
 * @param {string} one
 * @param {string} many
 * @param {number} n
 * @param {Record<string, string | number>} [values]
 */
export function ngettext(one, many, n, values) {
  const found = messages[one];
  const text = Array.isArray(found) ? found[Number(isPlural(n))] : n === 1 ? one : many;
  return filled(text, { n, ...values });
}

function filled(text, values) {
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (place, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value ?? place);
  });
}
