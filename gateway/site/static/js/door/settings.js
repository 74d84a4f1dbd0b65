/** Show, gate and sound of this device. They survive a reload. */

import { call } from "../api.js";
import { moment } from "./verdicts.js";

const STORED = "aisle.checkin.settings";
const HOUR_MS = 3600 * 1000;
const GATE = /^[A-Za-z0-9_.-]{1,32}$/;

const part = (id) => document.getElementById(id);

/** The settings as they are in the page. */
export function settings() {
  const gate = part("gate").value.trim();
  return {
    show_id: Number(part("show").value) || undefined,
    gate: GATE.test(gate) ? gate : undefined,
    sound: part("sound").checked,
  };
}

/** Fills the page with what was chosen before, and keeps what is chosen. */
export function keepSettings(changed) {
  const { show, title, gate = "", sound = true } = stored();
  if (show) part("show").add(new Option(title ?? show, show, true, true));
  part("gate").value = gate;
  part("sound").checked = sound;
  part("gate-settings").addEventListener("submit", (event) => event.preventDefault());
  part("gate-settings").addEventListener("change", () => {
    part("gate").toggleAttribute("aria-invalid", false);
    const wrong = part("gate").value.trim() !== "" && settings().gate === undefined;
    if (wrong) part("gate").setAttribute("aria-invalid", "true");
    const chosen = part("show").selectedOptions[0];
    const kept = { show: chosen.value, title: chosen.text, gate: part("gate").value.trim(), sound: part("sound").checked };
    try {
      localStorage.setItem(STORED, JSON.stringify(kept));
    } catch {
      // Without storage they last as long as the page.
    }
    changed();
  });
}

/** Adds the shows whose tickets may be valid now. @throws {ApiError | ConnectionLost} */
export async function loadShows() {
  const from = new Date(Date.now() - 12 * HOUR_MS).toISOString();
  const to = new Date(Date.now() + 12 * HOUR_MS).toISOString();
  const { items } = await call("GET", `/api/shows?limit=100&from=${from}&to=${to}`, { auth: "never" });
  const list = part("show");
  const chosen = list.value;
  for (const { id, movie, screen_name, starts_at } of items) {
    const text = `${moment(starts_at)} · ${movie.title} · ${screen_name}`;
    const known = [...list.options].find(({ value }) => value === String(id));
    if (known) known.text = text;
    else list.add(new Option(text, id));
  }
  list.value = chosen;
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}
