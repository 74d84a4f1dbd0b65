/**
 * The bar at the bottom of the window: what happened, the clock of each hold with "More time" and "Confirm", and the
 * selection with "Hold". The second click of a double click on "Hold" must not confirm what it has just held, so a button
 * that has only just appeared does nothing.
 */

import { element, renderList, setAttribute, setText } from "../element.js";
import { money } from "../format.js";
import { _, ngettext } from "../words.js";
import { clockText } from "./countdown.js";
import { listOf } from "./numbers.js";
import { totalOf } from "./refusals.js";

const SETTLED_MS = 600;
const SOON_S = 120;
const LAST_S = 30;

export class Dock {
  /**
   * @param {HTMLElement} root
   * @param {import("./choosing.js").Choosing} choosing
   * @param {import("./countdown.js").Countdown} countdown
   */
  constructor(root, choosing, countdown) {
    this._root = root;
    this._choosing = choosing;
    this._countdown = countdown;
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    this._notice = part("notice");
    this._trouble = part("trouble");
    this._troubleText = part("trouble-text");
    this._holds = part("holds");
    this._selection = part("selection");
    this._count = part("count");
    this._total = part("total");
    this._main = part("main");
    this._shownNotice = null;
    part("stop").addEventListener("click", () => choosing.requests.giveUp());
    this._main.addEventListener("click", () => this._pressMain());
    choosing.state.addEventListener("change", () => this.render());
    countdown.addEventListener("tick", () => this._showClocks());
    new ResizeObserver(() => this._reserve()).observe(root);
    this.render();
  }

  render() {
    const { state } = this._choosing;
    this._showNotice(state.notice);
    this._trouble.hidden = state.trouble === null;
    setText(this._troubleText, troubleText(state.trouble));
    renderList(
      this._holds,
      state.holds,
      (hold) => `${hold.id} ${hold.seats}`,
      (hold) => this._hold(hold),
      (node, hold) => this._showHold(node, hold),
    );
    this._showSelection(state);
    setAttribute(this._root, "data-changing", state.changing === null ? null : "true");
    this._root.hidden = state.notice === null && state.trouble === null && state.holds.length === 0 && this._selection.hidden;
    this._showClocks();
  }

  _showSelection(state) {
    const { layout } = this._choosing;
    const n = state.selected.size;
    const changing = state.changing;
    this._selection.hidden = n === 0 && changing === null && state.holds.length > 0;
    const seats = [...state.selected].sort((a, b) => a - b).map((index) => layout.label(index));
    setText(this._count, n === 0 ? _("No seats selected") : listOf(seats));
    setText(this._total, totalOf(layout, state.selected));
    setText(this._main, mainText(n, changing));
    const working = state.busy !== null && ["hold", "best", "change"].includes(state.busy.what);
    setAttribute(this._main, "aria-busy", working ? "true" : null);
    setAttribute(this._main, "aria-disabled", this._canPress(state) ? null : "true");
  }

  _canPress(state) {
    if (state.busy !== null) return false;
    if (state.changing !== null) return state.selected.size === state.changing.seats.length;
    return state.selected.size > 0 && state.status === "on_sale";
  }

  _pressMain() {
    const { state } = this._choosing;
    if (!this._canPress(state)) return;
    const pressed = state.changing === null ? this._choosing.hold() : this._choosing.change();
    pressed.then(() => this._focusHold());
  }

  /**
   * Where the focus goes when the button that had it is gone: the hold, whose next buttons are "More time" and "Confirm".
   * Not on "Confirm" itself, which a key that is still down would press.
   */
  _focusHold() {
    const active = document.activeElement;
    if (active !== this._main && active !== document.body) return;
    if (this._selection.hidden) this._holds.lastElementChild?.focus({ preventScroll: true });
  }

  _hold(hold) {
    const choosing = this._choosing;
    const current = () => choosing.state.holds.find(({ id }) => id === hold.id) ?? hold;
    const born = performance.now();
    const press = (action) => () => {
      if (performance.now() - born > SETTLED_MS && choosing.state.busy === null) action(current());
    };
    const n = hold.seats.length;
    const confirm = ngettext("Confirm {n} seat", "Confirm {n} seats", n);
    const seatsId = `held-${hold.id}`;
    const clock = element("span", { class: "clock", role: "timer", "aria-label": _("Time left for {seats}", { seats: listOf(hold.seats) }), "data-part": "clock" });
    return element(
      "li",
      { class: "dock-row", tabindex: "-1" },
      element(
        "span",
        { class: "dock-text" },
        element("b", {}, ngettext("{n} seat held", "{n} seats held", n)),
        element("span", { class: "dock-seats", id: seatsId }, `${listOf(hold.seats)} · ${money(hold.total)}`),
      ),
      clock,
      element("button", { type: "button", class: "button", "data-part": "more", "aria-describedby": seatsId, onclick: press((of) => choosing.extend(of)) }, _("More time")),
      element(
        "button",
        { type: "button", class: "button primary large", "data-part": "confirm", "aria-label": `${confirm}: ${listOf(hold.seats)}`, onclick: press((of) => choosing.confirm(of)) },
        confirm,
      ),
    );
  }

  _showHold(node, hold) {
    const { busy } = this._choosing.state;
    for (const button of node.querySelectorAll("button")) {
      const working = busy !== null && busy.id === hold.id && { more: "extend", confirm: "confirm" }[button.dataset.part] === busy.what;
      setAttribute(button, "aria-busy", working ? "true" : null);
      setAttribute(button, "aria-disabled", busy === null ? null : "true");
    }
  }

  _showClocks() {
    const { holds } = this._choosing.state;
    [...this._holds.children].forEach((node, position) => {
      const hold = holds[position];
      if (hold === undefined) return;
      const left = this._countdown.left(hold);
      setText(node.querySelector("[data-part=clock]"), clockText(left));
      setAttribute(node, "data-urgency", left <= LAST_S ? "last" : left <= SOON_S ? "soon" : null);
    });
  }

  _showNotice(notice) {
    if (notice === this._shownNotice) return;
    this._shownNotice = notice;
    this._notice.hidden = notice === null;
    if (notice === null) {
      this._notice.replaceChildren();
      return;
    }
    const close = () => this._choosing.state.set({ notice: null });
    const actions = (notice.actions ?? []).map(({ label, run, href }) =>
      href === undefined
        ? element("button", { type: "button", class: "button", onclick: run }, label)
        : element("a", { class: "button", href }, label),
    );
    this._notice.className = `notice ${notice.tone}`;
    this._notice.replaceChildren(
      element("button", { type: "button", class: "remove", "aria-label": _("Close this message"), onclick: close }, "×"),
      element("div", { class: "notice-text" }, element("b", {}, notice.title), ...(notice.text ? [element("p", {}, notice.text)] : [])),
      ...(actions.length > 0 ? [element("p", { class: "row" }, ...actions)] : []),
    );
  }

  /** Nothing that is focused may be under the bar (WCAG 2.4.11). */
  _reserve() {
    document.documentElement.style.setProperty("scroll-padding-block-end", `${this._root.offsetHeight + 16}px`);
  }
}

function mainText(n, changing) {
  if (changing !== null) {
    const rest = changing.seats.length - n;
    if (rest > 0) return ngettext("Choose {n} more seat", "Choose {n} more seats", rest);
    return ngettext("Move to this seat", "Move to these {n} seats", n);
  }
  return n === 0 ? _("Hold seats") : ngettext("Hold {n} seat", "Hold {n} seats", n);
}

function troubleText(trouble) {
  if (trouble === null) return "";
  const why = trouble === "connection" ? _("The connection is lost.") : _("Very many people are booking right now.");
  return [why, _("Trying again: the same request is never carried out twice.")].join(" ");
}
