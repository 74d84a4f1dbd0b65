/** The page of a booking: its tickets, and what can be done with it. */

import { ApiError, call, newKey } from "./api.js";
import { clockText } from "./choosing/countdown.js";
import { TabStorage } from "./choosing/storage.js";
import { now } from "./clock.js";
import { statusChip, statusWord } from "./booking_words.js";
import { element } from "./element.js";
import { enable } from "./enable.js";
import { dateTime, money, time } from "./format.js";
import { logInAddress } from "./next.js";
import { problemText } from "./problem_words.js";
import { session } from "./session.js";
import { loadShow } from "./shows.js";
import { _ } from "./words.js";

const id = location.pathname.split("/").at(-1);
const part = (name) => document.getElementById(name);
const REPEAT_MS = 2_000;
const KEY = `cancel.${id}`;
const storage = new TabStorage();

function notify(tone, ...children) {
  part("notice").className = `notice ${tone}`;
  part("notice").replaceChildren(...children);
  part("notice").hidden = false;
}

let shown = null;
let ticking = 0;

async function load({ quietly = false } = {}) {
  await session.ready;
  if (session.user === null) {
    location.replace(logInAddress("/login", location.pathname));
    return;
  }
  try {
    const booking = await call("GET", `/api/bookings/${id}`, { auth: "needed" });
    render(booking, await loadShow(booking.show_id));
  } catch (error) {
    if (!quietly) failed(error);
  } finally {
    part("booking").removeAttribute("aria-busy");
  }
}

function failed(error) {
  if (error instanceof ApiError && error.status === 401) {
    location.replace(logInAddress("/login", location.pathname));
    return;
  }
  const { code } = error.problem ?? {};
  part("title").textContent =
    code === "not_yours" ? _("This is somebody else’s booking") : code === "not_found" ? _("There is no such booking") : _("That did not work");
  const again = code === "not_yours" || code === "not_found" ? null : element("button", { type: "button", class: "button", onclick: () => location.reload() }, _("Try again"));
  const other = code === "not_yours" ? element("p", {}, _("You are logged in as {name}. Log in with the account that made the booking.", { name: session.user.username })) : null;
  notify("bad", element("p", {}, problemText(error).text), ...[other, again].filter((one) => one !== null));
}

function render(booking, show) {
  document.title = `${show.movie.title} · Aisle`;
  part("title").textContent = show.movie.title;
  part("when").textContent = `${dateTime(show.starts_at, show.timezone)} · ${show.screen_name}`;
  part("status").textContent = statusWord(booking.status);
  part("facts").replaceChildren(
    ...fact(_("Status"), statusChip(booking.status)),
    ...fact(_("Seats"), booking.seats.join(", ")),
    ...fact(_("Total"), money(booking.total)),
    ...fact(_("Booked"), dateTime(booking.created_at, show.timezone, "medium")),
    ...fact(_("Number"), element("code", {}, booking.id)),
  );
  const confirmed = booking.status === "confirmed";
  const held = booking.status === "held";
  clearInterval(ticking);
  part("notice").hidden = true;
  part("tickets").hidden = part("pdf").hidden = part("calendar").hidden = !confirmed;
  // Nobody has an address for a booking of the counter.
  part("send").hidden = !confirmed || booking.user_id === null;
  if (!confirmed) part("send-status").hidden = true;
  part("to-show").href = `/shows/${show.id}`;
  part("to-show").hidden = !(held || confirmed);
  part("cancel-open").hidden = !(held || confirmed) || (confirmed && show.status === "past");
  part("cancel-text").textContent = `${show.movie.title}, ${dateTime(show.starts_at, show.timezone, "medium")}: ${booking.seats.join(", ")}`;
  part("details").hidden = false;
  if (held) {
    const left = element("strong", { class: "numbers", role: "timer", "aria-live": "off" });
    notify(
      "warn",
      element("p", {}, _("These seats are held for you until {time}. They are yours once you confirm.", { time: time(booking.expires_at, show.timezone) })),
      element("p", {}, left),
      element("p", {}, element("a", { class: "button primary", href: `/shows/${show.id}` }, _("Go on to confirm"))),
    );
    tick(left, Date.parse(booking.expires_at));
  } else if (!confirmed) {
    notify("bad", element("p", {}, show.status === "cancelled" ? ENDED.show() : ENDED[booking.status]?.() ?? ""), element("p", {}, element("a", { class: "button", href: `/shows/${show.id}` }, _("To the seat map"))));
  } else {
    showCodes(booking, show);
  }
}

/** Shows the time that is left by the service's clock; then what has become of the hold. */
function tick(place, expires) {
  const renderTimeLeft = () => {
    const seconds = Math.max(0, Math.ceil((expires - now()) / 1000));
    place.textContent = clockText(seconds);
    if (seconds === 0) {
      clearInterval(ticking);
      setTimeout(load, REPEAT_MS, { quietly: true });
    }
  };
  renderTimeLeft();
  ticking = setInterval(renderTimeLeft, 1000);
}

const ENDED = {
  show: () => _("This show is cancelled"),
  cancelled: () => _("This booking is cancelled. Its tickets do not open the door any more."),
  released: () => _("You gave these seats back."),
  expired: () => _("The hold ran out, and the seats went back on sale. Nothing was booked."),
};

function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

function showCodes(booking, show) {
  const codes = `${booking.seats} ${show.starts_at} ${show.screen_name}`;
  if (codes === shown) return;
  shown = codes;
  part("codes").replaceChildren(
    ...booking.seats.map((seat) => {
      const place = element("span", { dir: "auto" });
      const image = element("img", { width: 208, height: 208, alt: _("QR code of the ticket for seat {seat}", { seat }) });
      loadCode(image, place, booking.id, seat);
      return element(
        "li",
        { class: "ticket" },
        element("div", { class: "code" }, image),
        element("p", { class: "seat" }, element("b", {}, seat), place, element("span", {}, `${show.screen_name} · ${time(show.starts_at, show.timezone)}`)),
      );
    }),
  );
}

/** The code as an image: fetched with the login, shown as a data address. It says where the seat is, too. */
async function loadCode(image, place, booking, seat) {
  try {
    const code = await call("GET", `/api/bookings/${booking}/ticket.svg?seat=${encodeURIComponent(seat)}`, { auth: "needed", as: "blob" });
    const drawing = await code.text();
    const { section, row } = new DOMParser().parseFromString(drawing, "image/svg+xml").documentElement.dataset;
    place.textContent = [section, row && _("Row {row}", { row })].filter(Boolean).join(" · ");
    const bytes = new TextEncoder().encode(drawing);
    image.src = `data:image/svg+xml;base64,${btoa(String.fromCharCode(...bytes))}`;
  } catch {
    image.replaceWith(_("The code cannot be loaded right now. The PDF has it, too."));
  }
}

/** Fetches a file with the login and saves it. */
async function save(button, path, name) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    const file = await call("GET", `/api/bookings/${id}/${path}`, { auth: "needed", as: "blob" });
    const address = URL.createObjectURL(file);
    element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    notify("bad", element("p", {}, problemText(error).text));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Sends the tickets to the address of the account once more. */
async function send() {
  const button = part("send");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  part("send-status").hidden = true;
  try {
    await call("POST", `/api/bookings/${id}/send`, { auth: "needed" });
    saySent("good", _("The tickets are on their way by e-mail."));
  } catch (error) {
    saySent("bad", problemText(error).text);
    if (["already_cancelled", "hold_expired"].includes(error.problem?.code)) await load();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function saySent(tone, text) {
  part("send-status").className = `notice ${tone}`;
  part("send-status").textContent = text;
  part("send-status").hidden = false;
}

/** Cancels once, however often the connection is lost: each try has the same key. */
async function cancel() {
  const button = part("cancel");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  part("cancel-trouble").hidden = true;
  try {
    const booking = await call("POST", `/api/bookings/${id}/cancel`, { key: cancelKey(), wait: 10, auth: "needed" });
    part("cancel-dialog").close();
    if (booking.command !== undefined) setTimeout(load, REPEAT_MS); // not decided yet
    else await load();
    part("title").scrollIntoView();
  } catch (error) {
    part("cancel-trouble").textContent = problemText(error).text;
    part("cancel-trouble").hidden = false;
    // A refusal is the answer to this call: what is tried later is another one.
    if (error.status === 409) storage.remove(KEY);
    if (["already_cancelled", "hold_expired"].includes(error.problem?.code)) await load();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** The key of this cancellation, kept until it has an answer, across reloads. */
function cancelKey() {
  const key = storage.get(KEY) ?? newKey();
  storage.set(KEY, key);
  return key;
}

part("pdf").addEventListener("click", () => save(part("pdf"), "ticket.pdf", "tickets.pdf"));
part("calendar").addEventListener("click", () => save(part("calendar"), "calendar.ics", "show.ics"));
part("send").addEventListener("click", send);
part("cancel-open").addEventListener("click", () => part("cancel-dialog").showModal());
part("cancel").addEventListener("click", cancel);
part("cancel-dialog").querySelector("[data-closes]").addEventListener("click", () => part("cancel-dialog").close());

enable(document);

// Nobody sees tickets of an account that is logged out, in this tab or another one.
session.addEventListener("change", () => {
  if (session.user === null) part("details").hidden = true;
  load();
});
// What happened meanwhile: in another tab, or while the device slept.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") load({ quietly: true });
});

await load();
