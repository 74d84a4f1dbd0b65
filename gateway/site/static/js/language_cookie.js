// The language of the pages, as the server reads it from a cookie.

const COOKIE = "aisle_language";
const YEAR_S = 365 * 24 * 3600;

/** Pages come in this language from now on. @param {string} tag such as `de` or `pt-BR` */
export function rememberLanguage(tag) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${COOKIE}=${encodeURIComponent(tag)}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
}
