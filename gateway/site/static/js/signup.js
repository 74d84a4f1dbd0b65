/** The page "Sign up": makes the account, logs in, and goes on to where the visitor came from. */

import { handleForm } from "./form.js";
import { ConnectionLost } from "./http.js";
import { logInAddress, nextAddress } from "./next.js";
import { session } from "./session.js";
import { lang } from "./words.js";

const next = new URLSearchParams(location.search).get("next");
if (next) document.getElementById("to-login").href = logInAddress("/login", next);

/** The user name of a sign-up whose response was lost: maybe the account was made. */
let lost = null;

handleForm(document.getElementById("signup"), async ({ username: typed, email, name, password }) => {
  const username = typed.trim();
  try {
    await session.signUp({ username, email: email.trim(), name: name.trim(), password, language: lang });
  } catch (error) {
    if (error instanceof ConnectionLost) lost = username;
    if (lost !== username || error.code !== "username_taken") throw error;
    await session.logIn(username, password).catch(() => {
      throw error;
    });
  }
  location.replace(nextAddress());
});
document.getElementById("username").focus();
