/**
 * Pointers on the canvas, turned into movements of the camera and taps.
 *
 * A plain wheel and, until the map is zoomed in, one finger belong to the page. The canvas says with
 * `data-zoomed` whether a finger moves the map: its style sets `touch-action`.
 */

const SLOP = { mouse: 4, pen: 6, touch: 9 };
const LONGEST_TAP_MS = 800;
const WHEEL = 0.0022;
const LINE = 18;

export class Gestures {
  #canvas;
  #camera;
  #target;
  #pointers = new Map();
  #moved = false;
  #since = 0;
  #abort = new AbortController();

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{
   *   camera: () => import("./camera.js").Camera,
   *   pan(dx: number, dy: number): void,
   *   zoom(factor: number, x: number, y: number): void,
   *   tap(x: number, y: number, pointerType: string): void,
   *   hover(x: number | null, y: number | null): void,
   *   rest(vx: number, vy: number): void,
   * }} target - places are CSS pixels from the canvas's upper left corner; speeds CSS pixels a millisecond
   */
  constructor(canvas, target) {
    this.#canvas = canvas;
    this.#target = target;
    this.#camera = target.camera;
    const { signal } = this.#abort;
    const on = (type, handler, options) => canvas.addEventListener(type, handler, { signal, ...options });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#cancel(event));
    on("pointerleave", () => this.#pointers.size === 0 && target.hover(null, null));
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("touchmove", (event) => this.#touch(event), { passive: false });
    on("gesturestart", (event) => event.preventDefault());
  }

  /** Whether a pointer moves the map right now. */
  get isMoving() {
    return this.#moved && this.#pointers.size > 0;
  }

  destroy() {
    this.#abort.abort();
  }

  #place({ clientX, clientY }) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  }

  /** Whether this pointer may move the map. */
  #moves(event) {
    return event.pointerType === "mouse" || this.#pointers.size > 1 || this.#camera().isZoomed;
  }

  #down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (this.#pointers.size === 0) this.#moved = false;
    else this.#moved = true;
    const place = this.#place(event);
    this.#pointers.set(event.pointerId, { ...place, start: place, time: event.timeStamp, vx: 0, vy: 0 });
    this.#since = event.timeStamp;
  }

  #move(event) {
    const pointer = this.#pointers.get(event.pointerId);
    const place = this.#place(event);
    if (pointer === undefined) {
      if (event.pointerType !== "touch") this.#target.hover(place.x, place.y);
      return;
    }
    const slop = SLOP[event.pointerType] ?? SLOP.touch;
    if (!this.#moved && Math.hypot(place.x - pointer.start.x, place.y - pointer.start.y) < slop) return;
    if (!this.#moved) this.#begin(event);
    if (this.#pointers.size === 2) this.#pinch(pointer, place);
    else if (this.#pointers.size === 1 && this.#moves(event)) {
      const passed = Math.max(1, event.timeStamp - pointer.time);
      pointer.vx = 0.6 * pointer.vx + 0.4 * ((place.x - pointer.x) / passed);
      pointer.vy = 0.6 * pointer.vy + 0.4 * ((place.y - pointer.y) / passed);
      this.#target.pan(place.x - pointer.x, place.y - pointer.y);
    }
    Object.assign(pointer, place, { time: event.timeStamp });
  }

  #begin(event) {
    this.#moved = true;
    this.#target.hover(null, null);
    this.#canvas.setPointerCapture(event.pointerId);
    this.#canvas.toggleAttribute("data-moving", true);
  }

  #pinch(pointer, place) {
    const other = [...this.#pointers.values()].find((one) => one !== pointer);
    const before = Math.hypot(pointer.x - other.x, pointer.y - other.y);
    const after = Math.hypot(place.x - other.x, place.y - other.y);
    const middle = { x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 };
    this.#target.pan(middle.x - (pointer.x + other.x) / 2, middle.y - (pointer.y + other.y) / 2);
    if (before > 8 && after > 8) this.#target.zoom(after / before, middle.x, middle.y);
  }

  #up(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (pointer === undefined) return;
    const tapped = !this.#moved && event.timeStamp - this.#since < LONGEST_TAP_MS;
    const moves = this.#moves(event);
    this.#cancel(event);
    if (tapped) this.#target.tap(pointer.start.x, pointer.start.y, event.pointerType);
    else if (this.#pointers.size === 0 && this.#moved && moves) {
      const rested = event.timeStamp - pointer.time > 60;
      this.#target.rest(rested ? 0 : pointer.vx, rested ? 0 : pointer.vy);
    }
  }

  #cancel(event) {
    this.#pointers.delete(event.pointerId);
    if (this.#pointers.size === 0) this.#canvas.toggleAttribute("data-moving", false);
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
    const delta = Math.max(-240, Math.min(240, event.deltaY * lines));
    const pinching = event.ctrlKey && Math.abs(delta) < 30 ? 4 : 1;
    const { x, y } = this.#place(event);
    this.#target.zoom(Math.exp(-delta * WHEEL * pinching), x, y);
  }

  /** Two fingers, and one on a map that is zoomed in, do not scroll the page. */
  #touch(event) {
    if (event.cancelable && (event.touches.length > 1 || this.#camera().isZoomed)) event.preventDefault();
  }
}
