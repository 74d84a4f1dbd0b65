/** "Best seats": a number, a section, a price and a kind; the service chooses and holds in one step. */

import { element, setAttribute } from "../element.js";
import { money } from "../format.js";
import { _ } from "../words.js";

/**
 * Fills the form and sends what it asks for.
 * @param {HTMLFormElement} form
 * @param {import("./choosing.js").Choosing} choosing
 */
export function bestSeats(form, choosing) {
  const { layout, state } = choosing;
  const fields = form.elements;
  const named = layout.sections.filter(({ name }) => name !== "");
  const names = [...new Set(named.map(({ name }) => name))];
  fields.section.append(...names.map((name) => element("option", { value: name }, name)));
  fields.section.closest(".field").hidden = names.length < 2;
  fields.price.append(
    ...layout.prices
      .slice(1)
      .map((price) => element("option", { value: price.amount }, _("up to {price}", { price: money(price) }))),
  );
  fields.price.closest(".field").hidden = layout.prices.length < 2;
  fields.accessible.closest(".field").hidden = !layout.kinds?.includes("w");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (state.busy === null && state.status === "on_sale" && form.reportValidity()) {
      choosing.holdBest(requestOf(fields, layout.prices[0].currency));
    }
  });
  const show = () => {
    const button = form.querySelector("button[type=submit]");
    fields.quantity.max = String(Math.max(1, state.changing === null ? state.limit : 1));
    setAttribute(button, "aria-disabled", state.busy === null && state.status === "on_sale" ? null : "true");
    setAttribute(button, "aria-busy", state.busy?.what === "best" ? "true" : null);
  };
  state.addEventListener("change", show);
  show();
}

/** The body of the request. Only what was chosen is in it. */
function requestOf(fields, currency) {
  const body = { quantity: Number(fields.quantity.value) };
  if (fields.section.value !== "") body.section = fields.section.value;
  if (fields.price.value !== "") body.max_price = { amount: Number(fields.price.value), currency };
  if (fields.accessible.checked) body.kind = "accessible";
  if (!fields.together.checked) body.adjacent = false;
  return body;
}
