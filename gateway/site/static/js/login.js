/** The page "Log in": then on to where the visitor came from. */

import { handleForm } from "./form.js";
import { logInAddress, nextAddress, ownAddress } from "./next.js";
import { session } from "./session.js";
import { _ } from "./words.js";

const next = new URLSearchParams(location.search).get("next");
if (next) document.getElementById("to-signup").href = logInAddress("/signup", next);
if (/^\/shows\//.test(next ?? "")) {
  const why = document.getElementById("why");
  why.textContent = _("Log in to hold your seats. They stay selected.");
  why.hidden = false;
}

handleForm(document.getElementById("login"), async ({ username, password }) => {
  await session.logIn(username.trim(), password);
  location.replace(nextAddress());
});
document.getElementById("username").focus();

// A visitor who is logged in already goes on.
session.ready.then(() => {
  if (session.user !== null) location.replace(next === null ? ownAddress("/account") : nextAddress());
});
