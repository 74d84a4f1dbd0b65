/** The page "Forgotten password": asks for the e-mail with the link. */

import { call } from "./api.js";
import { handleForm } from "./form.js";

const form = document.getElementById("forgot");
const done = document.getElementById("done");

handleForm(form, async ({ email }) => {
  await call("POST", "/api/password/forgot", { body: { email: email.trim() }, auth: "never" });
  form.hidden = true;
  done.hidden = false;
  done.focus();
});
