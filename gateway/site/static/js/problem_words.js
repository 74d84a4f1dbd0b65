/** What the service refused, in the customer's words. */

import { ConnectionLost } from "./http.js";
import { _, ngettext } from "./words.js";

/** A code → the field of the form that it is about, and what to do. */
const OF_FIELDS = {
  username_taken: () => ["username", _("This user name is taken. Choose another one.")],
  email_taken: () => ["email", _("This address has an account already. Log in, or ask for a new password.")],
};

const TEXTS = {
  bad_credentials: () => _("User name and password do not belong together. Try again, or ask for a new password."),
  token_invalid: () => _("This link has been used, or its time is over. Ask for a new one."),
  token_expired: () => _("This link has been used, or its time is over. Ask for a new one."),
  unauthenticated: () => _("You are not logged in any more. Log in and try again."),
  not_yours: () => _("This booking belongs to another account."),
  not_found: () => _("There is no such thing here. It may have been removed."),
  overloaded: () => _("Very many people are here right now. Try again in a moment."),
  log_unavailable: () => _("Aisle is not reachable right now. Try again in a moment."),
  database_unavailable: () => _("Aisle is not reachable right now. Try again in a moment."),
  body_too_large: () => _("That is too long. Shorten it and try again."),
  already_cancelled: () => _("This booking is cancelled already."),
  hold_expired: () => _("The hold has run out. Its seats are on sale again."),
  show_started: () => _("The show has started: it cannot be cancelled any more."),
};

/** What a field has to be, by its name: the service's own messages are in English. */
const FIELDS = {
  username: () => _("3 to 32 letters, digits, dots, dashes or underscores."),
  email: () => _("This is no e-mail address: it looks like name@example.org."),
  name: () => _("A name has at most 100 characters, and no address of a page."),
  password: () => _("10 to 128 characters, not your user name or e-mail, and not a common password."),
  old_password: () => _("This is not your password."),
  token: () => _("This link has been used, or its time is over. Ask for a new one."),
};

/**
 * @param {Error} error an ApiError or ConnectionLost
 * @returns {{text: string, fields: {field: string, message: string}[]}} `text` is for the whole form
 */
export function problemText(error) {
  if (error instanceof ConnectionLost) {
    return { text: _("The connection is lost. Nothing is lost of what you typed: try again."), fields: [] };
  }
  const { code, detail, errors = [], retry_after_s } = error.problem;
  if (code in OF_FIELDS) {
    const [field, message] = OF_FIELDS[code]();
    return { text: message, fields: [{ field, message }] };
  }
  if (code === "rate_limited") {
    const seconds = Math.max(1, Math.ceil(retry_after_s ?? 60));
    const text = ngettext("Too many tries. Try again in {n} second.", "Too many tries. Try again in {n} seconds.", seconds);
    return { text, fields: [] };
  }
  const fields = errors.map(({ field, message }) => ({ field, message: FIELDS[field]?.() ?? message }));
  return { text: TEXTS[code]?.() ?? detail ?? _("That did not work. Please try again."), fields };
}
