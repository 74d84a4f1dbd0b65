/**
 * Forms: one submission at a time, errors beside their fields, nothing lost that was typed.
 */

import { enable } from "./enable.js";
import { ApiError, ConnectionLost } from "./http.js";
import { problemText } from "./problem_words.js";
import { _ } from "./words.js";

/**
 * Handles a form. `send` gets its values and sends them; its error is shown beside the field that it names, or below.
 * @param {HTMLFormElement} form with a field `name`, its `name-error`, and `[data-part=status]`
 * @param {(values: Record<string, string>) => Promise<void>} send
 * @param {Record<string, string>} [names] field of the API → field of the form, where they differ
 * @param {Record<string, () => [string, string]>} [words] code of a problem → field of the form and what is wrong with it
 */
export function handleForm(form, send, names = {}, words = {}) {
  const button = form.querySelector("button[type=submit]");
  const status = form.querySelector("[data-part=status]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    clear(form, status);
    const missing = [...form.elements].filter((one) => one.required && one.value.trim() === "");
    if (missing.length > 0) {
      for (const one of missing) showError(one, _("This field is needed."));
      missing[0].focus();
      return;
    }
    button.setAttribute("aria-busy", "true");
    hidePasswords(form);
    try {
      await send(Object.fromEntries(new FormData(form)));
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof ConnectionLost)) throw error;
      report(form, status, error, names, words);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
  for (const shows of form.querySelectorAll("[data-shows]")) showsPassword(shows);
  enable(form);
}

/** Says beside a form that it was done. */
export function sayDone(form, text) {
  const status = form.querySelector("[data-part=status]");
  status.className = "notice good";
  status.setAttribute("role", "status");
  status.textContent = text;
  status.hidden = false;
}

function clear(form, status) {
  for (const error of form.querySelectorAll(".error")) error.hidden = true;
  for (const one of form.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  status.className = "notice bad";
  status.setAttribute("role", "alert");
  status.hidden = true;
}

function report(form, status, error, names, words) {
  let { fields, text } = problemText(error);
  const own = words[error.problem?.code]?.();
  if (own) fields = [{ field: own[0], message: own[1] }];
  let first = null;
  const rest = [];
  for (const { field, message } of fields) {
    const input = form.elements[names[field] ?? field];
    if (input instanceof HTMLElement && showError(input, message)) first ??= input;
    else rest.push(message);
  }
  if (first !== null) first.focus();
  if (first === null || rest.length > 0) {
    // What is wrong says more than that something is.
    status.textContent = rest.length > 0 ? [...new Set(rest)].join(" ") : text;
    status.hidden = false;
  }
}

function showError(input, message) {
  const place = document.getElementById(`${input.name}-error`);
  if (place === null) return false;
  place.textContent = message;
  place.hidden = false;
  input.setAttribute("aria-invalid", "true");
  return true;
}

function showsPassword(button) {
  const input = document.getElementById(button.dataset.shows);
  button.hidden = false;
  button.addEventListener("click", () => setShown(button, input.type === "password"));
}

/** Browsers remember what is sent in a field that is no password's. */
function hidePasswords(form) {
  for (const button of form.querySelectorAll("[data-shows]")) setShown(button, false);
}

function setShown(button, shown) {
  document.getElementById(button.dataset.shows).type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
}
