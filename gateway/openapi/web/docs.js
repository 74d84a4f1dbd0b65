"use strict";

// Swagger UI is dark where a class says so.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

/** Mends what assistive technology misses in Swagger UI's own markup: names, focus, and links within buttons. */
function mend(root) {
  for (const link of root.querySelectorAll(".opblock-summary-control a[href]")) link.removeAttribute("href");
  for (const [selector, name] of [["#servers", "Server"], ["textarea.body-param__text", "Request body"]]) {
    for (const control of root.querySelectorAll(`${selector}:not([aria-label])`)) control.setAttribute("aria-label", name);
  }
  for (const block of root.querySelectorAll("pre:not([tabindex])")) block.tabIndex = 0;
}

const root = document.getElementById("swagger-ui");
let mending = 0;
new MutationObserver(() => {
  mending ||= requestAnimationFrame(() => {
    mending = 0;
    mend(root);
  });
}).observe(root, { childList: true, subtree: true });

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
