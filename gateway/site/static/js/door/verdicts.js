/** What a scan says at the door, in words and colour. */

import { time } from "../format.js";
import { _ } from "../words.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const RESULTS = {
  valid: () => ["good", _("Valid")],
  already_used: () => ["bad", _("Already used")],
  wrong_show: () => ["bad", _("Another show")],
  wrong_day: () => ["bad", _("Another day")],
  cancelled: () => ["bad", _("Cancelled")],
  invalid: () => ["bad", _("Not a valid ticket")],
};

/**
 * The big answer to a scan.
 * @returns {{colour: "good" | "bad" | "warn" | "wait", word: string, seat: string, detail: string}}
 */
export function verdict(scan) {
  const seat = scan.seat === undefined ? "" : _("Seat {seat}", { seat: scan.seat });
  switch (scan.state) {
    case "sending":
      return { colour: "wait", word: _("One moment …"), seat, detail: "" };
    case "signed":
      return {
        colour: "warn",
        word: _("Let in"),
        seat,
        detail: _("By signature only: there is no connection. The service confirms it later."),
      };
    case "unchecked":
      return {
        colour: "bad",
        word: _("Not checked"),
        seat,
        detail: _("There is no connection, and this browser cannot check signatures. It is sent later."),
      };
    case "refused":
      return { colour: "bad", word: _("Not sent"), seat, detail: scan.problem };
  }
  const [colour, word] = (RESULTS[scan.result] ?? RESULTS.invalid)();
  return { colour, word, seat, detail: detailOf(scan) };
}

function detailOf({ result, used_at, used_gate, other_show, here }) {
  if (here) return _("This device has let somebody in with it already.");
  if (result === "already_used" && used_at) {
    const values = { time: moment(used_at), gate: used_gate ?? "" };
    return used_gate ? _("Used at {time}, gate {gate}", values) : _("Used at {time}", values);
  }
  if (result === "wrong_show" && other_show) return _("The ticket is for show {id}.", { id: String(other_show) });
  return "";
}

const STATES = {
  sending: () => ["warn", _("waits for the service")],
  signed: () => ["warn", _("by signature only, not confirmed yet")],
  unchecked: () => ["warn", _("not checked yet")],
  refused: () => ["bad", _("not sent")],
  conflict: () => ["bad", _("conflict")],
};

/** How far a scan is: the colour of its chip, and its text. */
export function stateOf(scan) {
  if (scan.undone) return ["", _("taken back")];
  if (scan.state in STATES) return STATES[scan.state]();
  if (scan.local) return ["bad", _("refused by this device")];
  return [scan.result === "valid" ? "good" : "bad", _("confirmed by the service")];
}

/** The result of a scan in a word, for lists. */
export function wordOf(scan) {
  return scan.result === undefined ? verdict(scan).word : (RESULTS[scan.result] ?? RESULTS.invalid)()[1];
}

/** The time of day of a moment, where this device is. */
export function moment(iso) {
  return time(iso, ZONE);
}
