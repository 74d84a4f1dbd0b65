/** What a link of an e-mail opens. Its token stands behind "#", and leaves the address bar and the history at once. */

import { call } from "./api.js";
import { TabStorage } from "./choosing/storage.js";
import { handleForm } from "./form.js";
import { session } from "./session.js";

const form = document.querySelector("form[data-sends]");
const done = document.getElementById("done");
const storage = new TabStorage();
const KEPT = `link${location.pathname}`;

/** The token of the address; a reload of the page in this tab keeps it. */
function takeToken() {
  let token = "";
  try {
    token = decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
  if (token) storage.set(KEPT, token);
  else token = storage.get(KEPT) ?? "";
  history.replaceState(null, "", location.pathname + location.search);
  return token;
}

const token = takeToken();
// A link that is pasted into the address bar of this page loads nothing by itself.
addEventListener("hashchange", () => location.hash && location.reload());
if (token === "") {
  form.hidden = true;
  document.getElementById("broken").hidden = false;
}

handleForm(form, async ({ password }) => {
  const body = password === undefined ? { token } : { token, password };
  const { sends, tokenIn } = form.dataset;
  if (tokenIn === "query") await call("POST", `${sends}?token=${encodeURIComponent(token)}`, { auth: "never" });
  else await call("POST", sends, { body, auth: "never" });
  storage.remove(KEPT);
  form.hidden = true;
  done.hidden = false;
  done.focus();
  if (session.expected) session.reload().catch(() => {}); // a reset has ended this login, too
});
