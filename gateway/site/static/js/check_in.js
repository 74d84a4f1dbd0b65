/** The page of the door: scans by camera, hand scanner or keyboard; one big answer; a queue without a connection. */

import { ApiError, call, ConnectionLost } from "./api.js";
import { Camera, canScan } from "./door/camera.js";
import { Scans } from "./door/scans.js";
import { keepSettings, loadShows, settings } from "./door/settings.js";
import { parts, PublicKeys, tidied } from "./door/signature.js";
import { play } from "./door/sound.js";
import { moment, stateOf, verdict, wordOf } from "./door/verdicts.js";
import { element, renderList, setText } from "./element.js";
import { enable } from "./enable.js";
import { logInAddress } from "./next.js";
import { problemText } from "./problem_words.js";
import { session } from "./session.js";
import { _, ngettext } from "./words.js";

const RETRY_MS = 4000;
const COUNT_MS = 10_000;
const LISTED = 50;

const part = (id) => document.getElementById(id);
const scans = new Scans();
const keys = new PublicKeys();
/** The scan whose answer is shown. */
let shown = null;

function show(scan, { loud = false } = {}) {
  shown = scan;
  const { colour, word, seat, detail } = verdict(scan);
  part("verdict").dataset.verdict = colour;
  setText(part("verdict-word"), word);
  setText(part("verdict-seat"), seat);
  setText(part("verdict-detail"), detail);
  if (loud && colour !== "wait" && settings().sound) play(colour);
}

async function scan(text) {
  const token = tidied(text);
  if (token === "") return;
  const read = parts(token);
  const { show_id, gate } = settings();
  const one = scans.add({ token, ticket: read?.ticket ?? token, show_id, gate });
  show(one);
  if (!(await scans.sendLive(one)) && one.state === "sending") await decideAlone(one, read);
  if (shown === one) show(one, { loud: true });
  if (one.result === "valid") refreshCounts();
}

/** Without an answer only the signature counts, and what this device has let in itself. */
async function decideAlone(one, read) {
  const local = (result, more = {}) => scans.set(one, { state: "confirmed", local: true, result, ...more });
  if (read === null) scans.set(one, { state: "unchecked" });
  else if (one.show_id !== undefined && read.show !== one.show_id) local("wrong_show", { other_show: read.show });
  else if (scans.letIn(one.ticket, one)) local("already_used", { here: true });
  else {
    const signed = await keys.signed(read);
    if (signed === false) local("invalid");
    else scans.set(one, { state: signed ? "signed" : "unchecked" });
  }
}

function renderScans() {
  const newest = scans.all.slice(-LISTED).reverse();
  renderList(part("scans"), newest, ({ nonce }) => nonce, createScan, updateScan);
  const waiting = scans.waiting.length;
  const conflicts = scans.all.filter(({ state }) => state === "conflict").length;
  const texts = [
    waiting > 0 && ngettext("{n} scan waits for the service", "{n} scans wait for the service", waiting),
    conflicts > 0 && ngettext("{n} conflict", "{n} conflicts", conflicts),
  ].filter(Boolean);
  setText(part("queue"), texts.join(" · ") || (newest.length > 0 ? _("Everything is confirmed.") : _("No scans yet.")));
}

function createScan(one) {
  const undo = element("button", { type: "button", class: "button", onclick: () => takeBack(one.nonce) }, _("Take back"));
  return element(
    "li",
    {},
    element("time", { datetime: one.at }, moment(one.at)),
    element("b"),
    element("span", { class: "chip small" }),
    undo,
  );
}

function updateScan(item, one) {
  const [, word, chip, undo] = item.children;
  setText(word, one.seat === undefined ? wordOf(one) : `${one.seat} · ${wordOf(one)}`);
  const [colour, text] = stateOf(one);
  chip.className = `chip small ${colour}`;
  setText(chip, text);
  undo.hidden = !(one.state === "confirmed" && one.result === "valid" && !one.undone);
}

async function takeBack(nonce) {
  const one = scans.all.find((other) => other.nonce === nonce);
  try {
    await scans.undo(one);
    if (shown === one) clear(_("The check-in is taken back."));
    trouble("");
    refreshCounts();
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof ConnectionLost)) throw error;
    trouble(problemText(error).text);
  }
  part("token").focus();
}

function clear(detail) {
  shown = null;
  delete part("verdict").dataset.verdict;
  setText(part("verdict-word"), _("Ready"));
  setText(part("verdict-seat"), "");
  setText(part("verdict-detail"), detail);
}

function trouble(text) {
  setText(part("trouble"), text);
  part("trouble").hidden = text === "";
}

function connection(connected, loggedOut = false) {
  part("connection").className = `chip ${connected ? "good" : "bad"}`;
  setText(part("connection"), connected ? _("Connected") : loggedOut ? _("Logged out") : _("No connection"));
}

async function refreshCounts() {
  const { show_id } = settings();
  if (show_id === undefined || session.user === null) {
    part("counts").hidden = true;
    return;
  }
  try {
    const { sold, checked_in, conflicts } = await call("GET", `/api/shows/${show_id}/checkin`, { auth: "needed" });
    const texts = [_("{n} of {sold} are in", { n: checked_in, sold })];
    if (conflicts.length > 0) texts.push(ngettext("{n} conflict", "{n} conflicts", conflicts.length));
    setText(part("counts"), texts.join(" · "));
    part("counts").hidden = false;
    connection(true);
  } catch (error) {
    if (error instanceof ConnectionLost) connection(false);
  }
}

function checkAccount() {
  if (session.user === null) {
    if (!session.expected) location.replace(logInAddress());
    return;
  }
  const staff = session.user.role !== "customer";
  trouble(staff ? "" : _("This page is for staff. Log in with an account of the house."));
  if (!staff) return;
  connection(true);
  enable(part("door"));
  part("token").focus();
  refreshCounts();
  scans.flush();
}

async function openCamera() {
  part("camera").hidden = false;
  try {
    await camera.open();
    trouble("");
  } catch {
    closeCamera();
    trouble(_("The camera cannot be used. Allow it for this page, or type the code."));
  }
}

function closeCamera() {
  camera.close();
  part("camera").hidden = true;
  part("token").focus();
}

const camera = new Camera(part("video"), scan);
part("camera-open").addEventListener("click", openCamera);
part("camera-close").addEventListener("click", closeCamera);
part("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = part("token").value;
  part("token").value = "";
  part("token").focus();
  scan(text);
});
/** A hand scanner types wherever the focus is. */
document.addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
  const elsewhere = target === document.body || target === part("main");
  if (elsewhere && key.length === 1 && key !== " " && !ctrlKey && !metaKey && !altKey) part("token").focus();
});
scans.addEventListener("change", renderScans);
scans.addEventListener("change", () => shown !== null && show(shown));
scans.addEventListener("connection", ({ detail: { connected, loggedOut } }) => connection(connected, loggedOut));
addEventListener("online", () => scans.flush());
addEventListener("offline", () => connection(false));
session.addEventListener("change", checkAccount);
keepSettings(refreshCounts);
renderScans();
setInterval(() => scans.waiting.some(({ state }) => state !== "sending") && scans.flush(), RETRY_MS);
setInterval(refreshCounts, COUNT_MS);
canScan().then((can) => (part("camera-open").hidden = !can));
keys.load().catch(() => connection(false));
loadShows().catch(() => connection(false));
await session.ready;
checkAccount();
