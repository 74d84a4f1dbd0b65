// The programme follows its filters without reloading the page. The address says what is shown, so that it can be
// linked and "back" works; the server renders the same address for everybody, with or without this script.

import "./posters.js";

const form = document.getElementById("filters");
const clear = document.getElementById("clear");
const announcement = document.getElementById("announcement");

const TYPING_MS = 180;
const FIELDS = ["search", "day", "genre", "language", "available"];
/** After so long in the background the number of seats left is read again. */
const OLD_MS = 60_000;

let fetching = null;
let typing = 0;
let shownAt = Date.now();

/** The address of the programme with what the form says. */
function address() {
  const data = new FormData(form);
  const query = new URLSearchParams();
  for (const name of FIELDS) {
    const value = (data.get(name) ?? "").trim();
    if (value) query.set(name, value);
  }
  return query.size ? `/?${query}` : "/";
}

/** Makes the form say what the address says. */
function readAddress() {
  const query = new URLSearchParams(location.search);
  const { search, day, genre, language, available } = form.elements;
  if (document.activeElement !== search) search.value = query.get("search") ?? "";
  day.value = query.get("day") ?? "";
  for (const select of [genre, language]) choose(select, query.get(select.name) ?? "");
  available.checked = query.has("available");
}

function choose(select, wanted) {
  const option = [...select.options].find(({ value }) => value.toLowerCase() === wanted.toLowerCase());
  select.value = option ? option.value : "";
}

/** Fetches what an address shows and exchanges the results. A page that cannot be exchanged is opened. */
async function show(target, { announce = true } = {}) {
  fetching?.abort();
  const mine = (fetching = new AbortController());
  const results = document.getElementById("results");
  results.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(target, { headers: { Accept: "text/html" }, signal: mine.signal });
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("results");
    results.replaceWith(fresh);
    clear.hidden = target === "/";
    shownAt = Date.now();
    if (announce) announcement.textContent = fresh.querySelector("#found").textContent.trim();
  } catch (error) {
    if (error.name !== "AbortError") location.assign(target);
  }
}

/** Shows what the form says. While somebody types, the address changes in place. */
function follow({ inPlace = false } = {}) {
  clearTimeout(typing);
  const target = address();
  if (target === location.pathname + location.search) return;
  history[inPlace ? "replaceState" : "pushState"](null, "", target);
  show(target);
}

form.addEventListener("input", (event) => {
  if (event.target.name !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => follow({ inPlace: new URLSearchParams(location.search).has("search") }), TYPING_MS);
});

// A search has been followed while it was typed; its field also "changes" when it is left.
form.addEventListener("change", (event) => event.target.name !== "search" && follow());

form.addEventListener("submit", (event) => {
  event.preventDefault();
  follow();
});

/** Links to other choices, on this page, are followed in the same way. */
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#results a, #clear");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = new URL(link.href);
  if (target.origin !== location.origin || target.pathname !== "/" || link.closest(".film")) return;
  event.preventDefault();
  history.pushState(null, "", target.pathname + target.search);
  if (!new URLSearchParams(target.search).has("search")) form.elements.search.value = "";
  readAddress();
  show(target.pathname + target.search).then(() => document.getElementById("found").scrollIntoView({ block: "nearest" }));
});

addEventListener("popstate", () => {
  if (location.hash) return;
  clearTimeout(typing);
  form.elements.search.blur();
  readAddress();
  show(location.pathname + location.search);
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - shownAt > OLD_MS) show(location.pathname + location.search, { announce: false });
});

/** Whether a control says something else than the page that was sent: it was used before this script ran. */
function isTouched(control) {
  if (control.type === "search") return control.value !== control.defaultValue;
  if (control.type === "radio" || control.type === "checkbox") return control.checked !== control.defaultChecked;
  return [...(control.options ?? [])].some((option) => option.selected !== option.defaultSelected && option.value !== "");
}

if ([...form.elements].some(isTouched)) follow({ inPlace: true });
form.querySelector(".day input:checked")?.scrollIntoView({ block: "nearest", inline: "center" });
