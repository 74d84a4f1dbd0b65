/** The page of an account: bookings, name and language, e-mail address, password, deletion. */

import { call } from "./api.js";
import { MyBookings } from "./my_bookings.js";
import { handleForm, sayDone } from "./form.js";
import { rememberLanguage } from "./language_cookie.js";
import { logInAddress } from "./next.js";
import { problemText } from "./problem_words.js";
import { session } from "./session.js";
import { _, lang } from "./words.js";

const part = (id) => document.getElementById(id);

/** Whether this page itself ends the login, and then goes to the programme. */
let leaving = false;

function show() {
  const { user } = session;
  if (user === null) {
    if (!leaving) location.replace(logInAddress("/login", "/account"));
    return;
  }
  part("greeting").textContent = user.name === "" ? _("Your account") : _("Hello, {name}", { name: user.name });
  const parts = [user.username, user.email];
  if (user.email_confirmed === false) parts.push(_("not confirmed yet: open the link that we have sent"));
  part("who").textContent = parts.join(" · ");
}

function fill() {
  const { user } = session;
  part("name").value = user.name;
  selectLanguage(user.language);
  part("password-change").elements.username.value = user.username;
  part("settings").hidden = false; // nothing is typed before, and so overwritten
}

function wrongPassword(field) {
  return { bad_credentials: () => [field, _("This is not your password.")] };
}

function isStaff() {
  return session.user.role !== "customer";
}

/** The kinds of e-mails that this account gets. */
async function fillEmails() {
  const wanted = await call("GET", "/api/me/emails", { auth: "needed" });
  const { reminders, summaries } = part("emails").elements;
  reminders.checked = wanted.reminders;
  summaries.checked = wanted.summaries;
  part("summaries-field").hidden = !isStaff();
  part("emails-section").hidden = false; // nothing is switched before, and so overwritten
}

/** An account may have a language that the site does not speak: it stays until another one is chosen. */
function selectLanguage(tag) {
  const { options } = part("language");
  const known = [...options].find(({ value }) => value === tag || value === tag.split("-")[0]);
  if (!known) options.add(new Option(tag, tag));
  part("language").value = known?.value ?? tag;
}

async function change(body) {
  await call("PATCH", "/api/me", { body, auth: "needed" });
  await session.reload();
}

handleForm(part("profile"), async ({ name, language }) => {
  const kept = session.user.language.split("-")[0] === language.split("-")[0];
  await change({ name: name.trim(), ...(!kept && { language }) });
  if (!kept) rememberLanguage(language);
  if (!kept && language !== lang) location.reload();
  else sayDone(part("profile"), _("Saved."));
});

handleForm(part("emails"), async ({ reminders, summaries }) => {
  const body = { reminders: reminders === "on", ...(isStaff() && { summaries: summaries === "on" }) };
  await call("PATCH", "/api/me/emails", { body, auth: "needed" });
  sayDone(part("emails"), _("Saved."));
});

handleForm(
  part("email-change"),
  async ({ email, email_old_password }) => {
    await change({ email: email.trim(), old_password: email_old_password });
    part("email-change").reset();
    sayDone(part("email-change"), _("Open the link that we have sent to the new address. Until then the old one counts."));
  },
  { old_password: "email_old_password" },
  wrongPassword("email_old_password"),
);

handleForm(
  part("password-change"),
  async ({ old_password, new_password, username }) => {
    await call("PATCH", "/api/me", { body: { old_password, password: new_password }, auth: "needed" });
    await session.logIn(username, new_password);
    part("password-change").reset();
    fill();
    sayDone(part("password-change"), _("Your new password is set. All other log-ins have ended."));
  },
  { password: "new_password" },
  wrongPassword("old_password"),
);

handleForm(
  part("delete"),
  async ({ delete_password }) => {
    await call("DELETE", "/api/me", { body: { password: delete_password }, auth: "needed" });
    leaving = true;
    await session.logOut().catch(() => {}); // the login has ended with the account
    location.replace("/");
  },
  { password: "delete_password", old_password: "delete_password" },
  wrongPassword("delete_password"),
);

part("delete-open").addEventListener("click", () => part("delete-dialog").showModal());
part("delete-dialog").querySelector("[data-closes]").addEventListener("click", () => part("delete-dialog").close());
part("log-out").addEventListener("click", async () => {
  leaving = true;
  try {
    await session.logOut();
    location.replace("/");
  } catch (error) {
    leaving = false;
    part("trouble").textContent = problemText(error).text;
    part("trouble").hidden = false;
  }
});

const bookings = new MyBookings(part("bookings"));
session.ready.then(async () => {
  show();
  if (session.user === null) return;
  fill();
  fillEmails().catch(() => {}); // the rest of the page works without it
  session.addEventListener("change", show);
  await bookings.open();
  part("account").removeAttribute("aria-busy");
  if (location.hash === "#bookings") part("bookings").scrollIntoView();
});
