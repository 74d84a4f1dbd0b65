/** The choice of the section that the list shows, with what is left in each. */

import { element, setText } from "../element.js";
import { money } from "../format.js";
import { _, ngettext } from "../words.js";

const AT_MOST_EVERY_MS = 1_000;

export class SectionChooser {
  /**
   * @param {HTMLElement} field holds a select, and is hidden where there is one section
   * @param {import("./layout.js").SeatLayout} layout
   * @param {import("./states.js").SeatStates} states
   * @param {(section: number) => void} onSection
   */
  constructor(field, layout, states, onSection) {
    this._layout = layout;
    this._states = states;
    this._accessibleOnly = false;
    this._timer = 0;
    this._select = field.querySelector("select");
    this._select.replaceChildren(...layout.sections.map((section, index) => element("option", { value: index })));
    this._select.addEventListener("change", () => onSection(this._select.selectedIndex));
    field.hidden = layout.sections.length < 2;
    this._write();
    states.addEventListener("change", () => this._writeSoon());
  }

  /** Shows which section is in focus. */
  show(section) {
    this._select.selectedIndex = section;
  }

  /** Counts wheelchair spaces instead of all seats. */
  showAccessibleOnly(only) {
    this._accessibleOnly = only;
    this._write();
  }

  _writeSoon() {
    this._timer ||= setTimeout(() => {
      this._timer = 0;
      this._write();
    }, AT_MOST_EVERY_MS);
  }

  _write() {
    this._layout.sections.forEach((section, index) => {
      const left = this._accessibleOnly
        ? ngettext("{n} wheelchair space left", "{n} wheelchair spaces left", this._spacesLeft(section))
        : ngettext("{n} left", "{n} left", this._states.left(index));
      const name = section.name === "" ? _("Section {n}", { n: index + 1 }) : section.name;
      const price = section.prices.length > 0 ? ` · ${section.prices.map(money).join(" / ")}` : "";
      setText(this._select.options[index], `${name} · ${left}${price}`);
    });
  }

  _spacesLeft({ first, count }) {
    let left = 0;
    for (let index = first; index < first + count; index += 1) {
      if (this._layout.kindOf(index) === "w" && this._states.isAvailable(index)) left += 1;
    }
    return left;
  }
}
