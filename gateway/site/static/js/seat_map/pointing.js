/** What a place on the screen means: a seat, a section, or nothing, and where a press leads. Pure. */

import { canHitSeats, COMFORTABLE } from "./levels.js";

const HIT = 0.62;
const HIT_BY_TOUCH = 0.78;
const NEAR_SECTION = 1.5;
const NEAR_SECTION_PIXELS = 14;

export class Pointing {
  #layout;
  #spans;

  /**
   * @param {import("./layout.js").SeatLayout} layout
   * @param {import("./spans.js").SeatSpans} spans
   */
  constructor(layout, spans) {
    this.#layout = layout;
    this.#spans = spans;
  }

  /** Returns the seat at a place of the viewport, or -1. */
  seatAt(camera, x, y, pointerType = "mouse") {
    const place = camera.toMap(x, y);
    return this.#spans.nearest(place.x, place.y, pointerType === "touch" ? HIT_BY_TOUCH : HIT);
  }

  /** Returns the section at a place of the viewport, or -1. */
  sectionAt(camera, x, y) {
    const place = camera.toMap(x, y);
    const seat = this.#spans.nearest(place.x, place.y, Math.max(NEAR_SECTION, NEAR_SECTION_PIXELS / camera.scale));
    return seat < 0 ? -1 : this.#layout.sectionOf[seat];
  }

  /**
   * Returns what is meant at this scale: `{seat}` where seats are large enough for this pointer, else `{section}`;
   * null for nothing.
   */
  meant(camera, x, y, pointerType) {
    if (canHitSeats(camera.scale, pointerType)) {
      const seat = this.seatAt(camera, x, y, pointerType);
      return seat < 0 ? null : { seat };
    }
    const section = this.sectionAt(camera, x, y);
    return section < 0 ? null : { section };
  }

  /** Returns the camera that shows a section as large as it can be. */
  sectionView(camera, section) {
    const { left, top, right, bottom } = this.#spans.sectionBox(section);
    return camera.fitPart({ left: left - 2, top: top - 2.5, right: right + 2, bottom: bottom + 2 });
  }

  /** Returns the camera after a press on a section: all of it, or where its seats can be hit then. */
  closer(camera, section, x, y, pointerType) {
    const whole = this.sectionView(camera, section);
    if (canHitSeats(whole.scale, pointerType) && whole.scale > camera.scale * 1.1) return whole;
    const place = camera.toMap(x, y);
    return camera.showPlace(place.x, place.y, COMFORTABLE);
  }

  /** Returns this camera, or one on the nearest section where there are no seats around the middle of the sight. */
  onSeats(camera) {
    if (this.#hasSeats(camera)) return camera;
    const seat = this.#spans.nearest(camera.x, camera.y, Infinity);
    const { left, top, right, bottom } = this.#spans.sectionBox(this.#layout.sectionOf[seat]);
    const onSection = camera.showPlace((left + right) / 2, (top + bottom) / 2, camera.scale);
    if (this.#hasSeats(onSection)) return onSection;
    return camera.showPlace(this.#layout.x[seat], this.#layout.y[seat], camera.scale);
  }

  #hasSeats(camera) {
    const [across, down] = [camera.width / camera.scale / 4, camera.height / camera.scale / 4];
    let found = false;
    const { x, y } = camera;
    this.#spans.within(x - across, y - down, x + across, y + down, () => (found = true));
    return found;
  }
}
