// The header of every page: its menus, and the account's name once the visitor is known to be logged in.

import { session } from "./session.js";
import { _, lang } from "./words.js";

const account = document.getElementById("account-menu");
const menus = document.getElementsByClassName("menu");

/** Closes the open menus, but the one that this is in. */
function closeMenus(within) {
  for (const menu of menus) if (!menu.contains(within)) menu.open = false;
}

document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("focusin", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (!menu.open) continue;
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.querySelector("summary").focus();
  }
});

/** Another language keeps the rest of the address: filters, and what follows "#". */
for (const link of document.querySelectorAll("#language-menu a")) {
  link.addEventListener("click", () => {
    const query = new URLSearchParams(location.search);
    query.set("lang", link.hreflang);
    link.href = `?${query}${location.hash}`;
  });
}

/** The language that the address names has been chosen: it need not stay in the address. */
const query = new URLSearchParams(location.search);
if (query.get("lang") === lang && document.cookie.split("; ").includes(`aisle_language=${lang}`)) {
  query.delete("lang");
  const rest = query.size ? `?${query}` : "";
  history.replaceState(history.state, "", location.pathname + rest + location.hash);
}

function link(text, href, className = "") {
  return Object.assign(document.createElement("a"), { textContent: text, href, className });
}

/** Log in and sign up lead back to this page. */
function anonymous() {
  const here = location.pathname + location.search;
  const next = here === "/" || /^\/(login|signup|password|email)\b/.test(here) ? "" : `?next=${encodeURIComponent(here)}`;
  return [
    link(_("Log in"), `/login${next}`, "site-link"),
    link(_("Sign up"), `/signup${next}`, "site-link strong from-wide"),
  ];
}

function known() {
  const menu = Object.assign(document.createElement("details"), { className: "menu" });
  const summary = document.createElement("summary");
  const name = document.createElement("span");
  name.className = "account-name";
  name.textContent = session.user.name || session.user.username;
  summary.append(name);
  const logOut = Object.assign(document.createElement("button"), { type: "button", textContent: _("Log out") });
  logOut.addEventListener("click", () => session.logOut());
  const list = document.createElement("ul");
  const door = session.user.role === "customer" ? [] : [link(_("Check-in"), "/checkin")];
  for (const entry of [link(_("My bookings"), "/account#bookings"), ...door, link(_("Account"), "/account"), logOut]) {
    const item = document.createElement("li");
    item.append(entry);
    list.append(item);
  }
  menu.append(summary, list);
  return [menu];
}

function render() {
  account.replaceChildren(...(session.user ? known() : anonymous()));
  account.style.visibility = "";
}

// A visitor who is probably logged in does not see "Log in" for a moment.
if (session.expected) account.style.visibility = "hidden";
session.addEventListener("change", render);
session.ready.then(render, render);
