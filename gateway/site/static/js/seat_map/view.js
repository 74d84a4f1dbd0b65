/**
 * The seat map: a canvas in a container, with zoom, pan and levels of detail.
 *
 * It is a picture beside the list of seats, which is the accessible path: the canvas itself takes no focus. State is
 * kept outside (layout, states, selected, mine); the view draws it and reports what was meant by a tap.
 */

import { _ } from "../words.js";
import { Camera } from "./camera.js";
import { readColours } from "./colours.js";
import { Gestures } from "./gestures.js";
import { canHitSeats, COMFORTABLE } from "./levels.js";
import { SeatLooks } from "./looks.js";
import { flight, slide } from "./movement.js";
import { MapPainter } from "./painter.js";
import { Pointing } from "./pointing.js";
import { SeatSpans } from "./spans.js";

const STEP = 1.7;
const ROOM = 2.2;
const EDGE = 30;
const SETTLED_MS = 90;
/** Milliseconds for painting in a frame: while the map moves, while it stands still, and at first. */
const MOVING_BUDGET_MS = 4;
const BUDGET_MS = 12;
const IDLE_MS = 8;
const FIRST_BUDGET_MS = 120;

export class SeatMapView {
  #layout;
  #states;
  #events;
  #canvas;
  #context;
  #pointing;
  #painter;
  #gestures;
  #camera = null;
  #movement = null;
  #zoomedAt = -Infinity;
  #budget = FIRST_BUDGET_MS;
  #frame = 0;
  #focused = null;
  #abort = new AbortController();
  #observer;
  #bounds;
  #ratio = 1;

  /**
   * @param {HTMLElement} container - filled by the canvas; has a size of its own
   * @param {import("./layout.js").SeatLayout} layout
   * @param {import("./states.js").SeatStates} states
   * @param {{
   *   selected?: Set<number>, mine?: Set<number>,
   *   onSeat?: (seat: number) => void, onSection?: (section: number) => void, onMove?: () => void,
   * }} [options]  `onMove`: the camera moved, so that places on the screen changed
   */
  constructor(container, layout, states, { selected = new Set(), mine = new Set(), onSeat, onSection, onMove } = {}) {
    container.classList.add("seat-map-view");
    this.#layout = layout;
    this.#states = states;
    this.#events = { onSeat, onSection, onMove };
    this.#bounds = roomy(layout.bounds);
    const spans = new SeatSpans(layout);
    const looks = new SeatLooks(layout, states, selected, mine);
    const colours = readColours(container);
    this.#pointing = new Pointing(layout, spans);
    this.#painter = new MapPainter({ layout, spans, looks, bounds: this.#bounds, colours }, states);
    this.#canvas = document.createElement("canvas");
    this.#canvas.className = "seat-map-canvas";
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", _("Seat map"));
    this.#context = this.#canvas.getContext("2d", { alpha: false });
    container.append(this.#canvas);
    this.#gestures = new Gestures(this.#canvas, {
      camera: () => this.#camera,
      pan: (dx, dy) => this.#moveTo(this.#camera.panBy(dx, dy)),
      zoom: (factor, x, y) => this.#zoomTo(this.#camera.zoomAt(factor, x, y)),
      tap: (x, y, pointerType) => this.#tap(x, y, pointerType),
      hover: (x, y) => this.#hover(x, y),
      rest: (vx, vy) => this.#start(isCalm() ? null : slide(this.#camera, vx, vy)),
    });
    this.#listen(container);
    this.#resize();
    this.#draw();
    this.#prepare();
  }

  /** Prepares finding seats by their labels while there is nothing else to do, so that no change waits for it. */
  #prepare() {
    const ask = globalThis.requestIdleCallback ?? ((then) => setTimeout(then, IDLE_MS));
    ask(() => {
      const until = performance.now() + IDLE_MS;
      if (!this.#abort.signal.aborted && !this.#layout.indexLabels(() => performance.now() < until)) this.#prepare();
    });
  }

  #listen(container) {
    const { signal } = this.#abort;
    this.#states.addEventListener("change", ({ detail }) => this.#changed(detail.indexes), { signal });
    this.#observer = new ResizeObserver(() => {
      if (this.#resize()) this.#draw();
    });
    this.#observer.observe(container);
    for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => this.#recolour(), { signal });
    }
  }

  /** Zooms in on the middle, or on the seats that are nearest to it where there are none. */
  zoomIn() {
    this.#fly(this.#pointing.onSeats(this.#target().zoomAt(STEP)));
  }

  zoomOut() {
    this.#fly(this.#target().zoomAt(1 / STEP));
  }

  /** Shows the whole map. */
  fit() {
    this.#fly(this.#camera.fit());
  }

  get canZoomIn() {
    return this.#target().canZoomIn;
  }

  get canZoomOut() {
    return this.#target().isZoomed;
  }

  /** Marks a section, or none; with `move` it is shown as large as it can be. */
  focusSection(section, { move = true } = {}) {
    this.#focused = section;
    if (section === null || !move) this.#ask();
    else this.#fly(this.#pointing.sectionView(this.#camera, section));
  }

  /** Brings a seat into sight, large enough to be seen. */
  showSeat(seat) {
    const { x, y } = this.seatPlace(seat);
    const { width, height } = this.#camera;
    const isInside = x > EDGE && y > EDGE && x < width - EDGE && y < height - EDGE;
    if (isInside && canHitSeats(this.#camera.scale, "mouse") && this.#movement === null) return;
    this.#fly(this.#target().showPlace(this.#layout.x[seat], this.#layout.y[seat], COMFORTABLE));
  }

  /** Draws seats again whose state, or place in `selected` or `mine`, changed; all without an argument. */
  update(seats = null) {
    this.#painter.invalidate(seats === null ? null : [...seats]);
    this.#ask();
  }

  /** Returns the seat at a place of the window, or -1. */
  seatAt(clientX, clientY) {
    const box = this.#canvas.getBoundingClientRect();
    return this.#pointing.seatAt(this.#camera, clientX - box.left, clientY - box.top);
  }

  /** Returns where the middle of a seat is in the container, in CSS pixels, and its width there. */
  seatPlace(seat) {
    const { x, y } = this.#camera.toScreen(this.#layout.x[seat], this.#layout.y[seat]);
    return { x, y, size: this.#camera.scale };
  }

  /** CSS pixels for the width of a seat. */
  get scale() {
    return this.#camera.scale;
  }

  destroy() {
    this.#abort.abort();
    this.#gestures.destroy();
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#canvas.remove();
  }

  #changed(seats) {
    if (seats !== null && !isCalm()) this.#painter.pulse(seats);
    this.update(seats);
  }

  /** Where a movement that is under way will end. */
  #target() {
    return this.#movement?.ends ?? this.#camera;
  }

  #tap(x, y, pointerType) {
    const meant = this.#pointing.meant(this.#camera, x, y, pointerType);
    if (meant === null) return;
    if (meant.seat !== undefined) {
      this.#events.onSeat?.(meant.seat);
      return;
    }
    const to = this.#pointing.closer(this.#camera, meant.section, x, y, pointerType);
    this.#focused = meant.section;
    this.#events.onSection?.(meant.section);
    this.#fly(to);
  }

  #hover(x, y) {
    const meant = x === null ? null : this.#pointing.meant(this.#camera, x, y, "mouse");
    const isSeat = meant?.seat !== undefined;
    this.#canvas.toggleAttribute("data-pointing", meant !== null && (!isSeat || this.#states.isAvailable(meant.seat)));
  }

  #fly(to) {
    if (isCalm()) this.#zoomTo(to);
    else this.#start(flight(this.#camera, to));
  }

  #start(movement) {
    this.#movement = movement && { ...movement, since: performance.now() };
    this.#ask();
  }

  #moveTo(camera) {
    this.#movement = null;
    this.#show(camera);
  }

  #zoomTo(camera) {
    this.#zoomedAt = performance.now();
    this.#moveTo(camera);
  }

  #show(camera) {
    this.#camera = camera;
    this.#canvas.toggleAttribute("data-zoomed", camera.isZoomed);
    this.#ask();
    this.#events.onMove?.();
  }

  #ask() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const now = performance.now();
    const movement = this.#movement;
    if (movement) {
      if (movement.isDone(now - movement.since)) this.#movement = null;
      this.#show(movement.at(now - movement.since));
    }
    const settling = this.#movement === null && now - this.#zoomedAt < SETTLED_MS;
    const flying = this.#movement !== null && this.#movement.ends !== null;
    const more = this.#painter.draw(this.#context, this.#camera, {
      ratio: this.#ratio,
      isZooming: settling || flying,
      budget: this.#budget,
      focused: this.#focused,
      aim: this.#movement?.ends ?? this.#camera,
    });
    this.#budget = this.#movement || this.#gestures.isMoving ? MOVING_BUDGET_MS : BUDGET_MS;
    if (more || settling || this.#movement) this.#ask();
  }

  /** Fits canvas and camera to the container. Returns whether anything changed. */
  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#canvas.parentElement;
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    if (width === this.#camera?.width && height === this.#camera?.height && ratio === this.#ratio) return false;
    this.#ratio = ratio;
    this.#canvas.width = Math.max(1, Math.round(width * ratio));
    this.#canvas.height = Math.max(1, Math.round(height * ratio));
    this.#movement = null;
    this.#budget = FIRST_BUDGET_MS;
    this.#show(this.#camera?.resize(width, height) ?? new Camera(this.#bounds, width, height));
    return true;
  }

  #recolour() {
    this.#painter.reset(readColours(this.#canvas.parentElement));
    this.#budget = FIRST_BUDGET_MS;
    this.#ask();
  }
}

const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The map with room for words around it. */
function roomy({ left, top, right, bottom }) {
  return { left: left - ROOM, top: top - ROOM, right: right + ROOM, bottom: bottom + ROOM };
}
