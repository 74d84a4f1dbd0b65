/**
 * The scans of this device, newest last. Each is stored before it is sent, with its nonce: after a reload it is sent
 * again as the same scan, and the service answers as before.
 *
 * States: `sending`, `confirmed` (the service said `result`), `signed` (let in by signature only, not confirmed yet),
 * `unchecked` (nobody has checked it yet), `conflict` (let in by signature, and then refused by the service), `refused`
 * (the service does not take the request).
 */

import { call, newKey } from "../api.js";
import { ApiError, ConnectionLost } from "../http.js";

const STORED = "aisle.checkin.scans";
const KEPT = 300;
const LIVE_MS = 5000;
const LATE_MS = 20_000;
const WAITING = ["sending", "signed", "unchecked"];
/** Problems that end by themselves or by logging in: the scan is sent again. */
const LATER = [401, 408, 425, 429];

/** Says `change` whenever a scan is another one, and `connection` with what the last call showed. */
export class Scans extends EventTarget {
  #scans = stored();
  #flushing = null;
  /** Scans whose holder stands at the door: they are not sent as late ones meanwhile. */
  #live = new Set();

  get all() {
    return this.#scans;
  }

  /** Those that the service has not confirmed yet, oldest first. */
  get waiting() {
    return this.#scans.filter(({ state }) => WAITING.includes(state));
  }

  /** Whether this device has let somebody in with the ticket, as far as it remembers. */
  letIn(ticket, except) {
    return this.#scans.some(
      (one) => one !== except && one.ticket === ticket && (one.state === "signed" || one.result === "valid") && !one.undone,
    );
  }

  /** A new scan, stored before anything is sent. */
  add(fields) {
    const scan = { nonce: newKey(), at: new Date().toISOString(), state: "sending", ...fields };
    this.#scans.push(scan);
    this.#store();
    return scan;
  }

  /** Changes a scan and stores it. */
  set(scan, fields) {
    Object.assign(scan, fields);
    this.#store();
  }

  /** Sends a scan whose holder stands at the door. @returns {Promise<boolean>} whether the service has answered */
  async sendLive(scan) {
    this.#live.add(scan);
    try {
      return await this.#send(scan, LIVE_MS, {});
    } finally {
      this.#live.delete(scan);
    }
  }

  /** Sends what waits, as late scans in the order of their time. */
  flush() {
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = null));
    return this.#flushing;
  }

  async #flush() {
    for (const scan of this.waiting.filter((one) => !this.#live.has(one))) {
      if (!(await this.#send(scan, LATE_MS, { at: scan.at }))) return;
    }
  }

  /** Takes a check-in back. @throws {ApiError | ConnectionLost} */
  async undo(scan) {
    const body = { token: scan.token, nonce: `undo-${scan.nonce}` };
    const { result } = await call("POST", "/api/checkin/undo", { body, auth: "needed" });
    if (result === "undone" || result === "not_checked_in") this.set(scan, { undone: true });
    return result;
  }

  async #send(scan, timeout_ms, late) {
    const { token, nonce, gate, show_id } = scan;
    const body = { token, nonce, ...(gate && { gate }), ...(show_id && { show_id }), ...late };
    let answer;
    try {
      // Also renewing the login may take long; whatever comes later is answered to the next try as well.
      const options = { body, auth: "needed", wait: Math.floor(timeout_ms / 2000) };
      answer = await Promise.race([call("POST", "/api/checkin", options), tooLate(timeout_ms)]);
    } catch (error) {
      return this.#failed(scan, error);
    }
    this.#say(true);
    if (answer.result === undefined) return false; // taken, and not decided yet
    const { result, seat, used_at, gate: used_gate } = answer;
    const other_show = result === "wrong_show" ? answer.booking?.show_id : undefined;
    const conflict = scan.state === "signed" && result !== "valid";
    this.set(scan, { state: conflict ? "conflict" : "confirmed", result, seat, used_at, used_gate, other_show });
    return true;
  }

  #failed(scan, error) {
    const { status } = error;
    if (error instanceof ApiError && status < 500 && !LATER.includes(status)) {
      this.#say(true);
      this.set(scan, { state: "refused", problem: error.problem.detail ?? "" });
      return true;
    }
    this.#say(false, status === 401);
    return false;
  }

  #say(connected, loggedOut = false) {
    this.dispatchEvent(new CustomEvent("connection", { detail: { connected, loggedOut } }));
  }

  #store() {
    const done = this.#scans.filter(({ state }) => !WAITING.includes(state)).slice(-KEPT);
    this.#scans = this.#scans.filter((one) => WAITING.includes(one.state) || done.includes(one));
    try {
      localStorage.setItem(STORED, JSON.stringify(this.#scans));
    } catch {
      // Without storage they last as long as the page.
    }
    this.dispatchEvent(new Event("change"));
  }
}

function tooLate(after_ms) {
  return new Promise((_resolve, reject) => setTimeout(() => reject(new ConnectionLost("no answer")), after_ms));
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? [];
  } catch {
    return [];
  }
}
