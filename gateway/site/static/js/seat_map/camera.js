/**
 * The camera: which part of the map the viewport shows, and how large. Pure.
 *
 * `scale` is CSS pixels for the width of a seat; `x` and `y` are the place on the map in the middle of the viewport.
 * Cameras are values: each step returns a new one that keeps the map in sight.
 */

const MAX_SCALE = 56;
const MAX_FITTED = 40;
const MARGIN = 20;

export class Camera {
  /**
   * @param {{left: number, top: number, right: number, bottom: number}} bounds - the map, in widths of a seat
   * @param {number} width - of the viewport, in CSS pixels
   * @param {number} height
   * @param {{x: number, y: number, scale: number}} [place] - the whole map without one
   */
  constructor(bounds, width, height, place) {
    this.bounds = bounds;
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    /** The scale at which the whole map is in sight; it cannot get smaller. */
    this.fitted = Math.min(MAX_FITTED, scaleFor(bounds, this.width, this.height, MARGIN));
    const { x, y, scale } = place ?? { ...middleOf(bounds), scale: this.fitted };
    this.scale = Math.min(Math.max(MAX_SCALE, this.fitted), Math.max(this.fitted, scale));
    this.x = kept(x, bounds.left, bounds.right, this.width / this.scale, MARGIN / this.scale);
    this.y = kept(y, bounds.top, bounds.bottom, this.height / this.scale, MARGIN / this.scale);
    Object.freeze(this);
  }

  /** Whether more than the whole map could be shown, so that a finger moves the map and not the page. */
  get isZoomed() {
    return this.scale > this.fitted * 1.02;
  }

  get canZoomIn() {
    return this.scale < MAX_SCALE * 0.999;
  }

  /** Returns the place in the viewport of a place on the map. */
  toScreen(x, y) {
    return { x: (x - this.x) * this.scale + this.width / 2, y: (y - this.y) * this.scale + this.height / 2 };
  }

  /** Returns the place on the map of a place in the viewport. */
  toMap(x, y) {
    return { x: (x - this.width / 2) / this.scale + this.x, y: (y - this.height / 2) / this.scale + this.y };
  }

  /** Returns the part of the map that is in sight. */
  sight() {
    const [across, down] = [this.width / this.scale / 2, this.height / this.scale / 2];
    return { left: this.x - across, top: this.y - down, right: this.x + across, bottom: this.y + down };
  }

  /** Zooms so that what is at a point of the viewport stays there. */
  zoomAt(factor, pointX = this.width / 2, pointY = this.height / 2) {
    const scale = Math.min(Math.max(MAX_SCALE, this.fitted), Math.max(this.fitted, this.scale * factor));
    const { x, y } = this.toMap(pointX, pointY);
    return this.#at({
      scale,
      x: x - (pointX - this.width / 2) / scale,
      y: y - (pointY - this.height / 2) / scale,
    });
  }

  /** Moves the map by a distance in the viewport. */
  panBy(dx, dy) {
    return this.#at({ scale: this.scale, x: this.x - dx / this.scale, y: this.y - dy / this.scale });
  }

  /** Shows the whole map. */
  fit() {
    return new Camera(this.bounds, this.width, this.height);
  }

  /** Shows a part of the map as large as it can be, but not larger than `most`. */
  fitPart(part, most = MAX_FITTED) {
    return this.#at({ ...middleOf(part), scale: Math.min(most, scaleFor(part, this.width, this.height, MARGIN)) });
  }

  /** Brings a place into the middle, at least at this scale. */
  showPlace(x, y, scale) {
    return this.#at({ x, y, scale: Math.max(this.scale, scale) });
  }

  /** The same view in a viewport of another size; the whole map stays whole. */
  resize(width, height) {
    return new Camera(this.bounds, width, height, this.isZoomed ? this : undefined);
  }

  /** A camera on the way from this one to another, `done` from 0 to 1, along which zooming has one fixed point. */
  towards(other, done) {
    if (done >= 1) return other;
    const scale = this.scale * (other.scale / this.scale) ** done;
    const zooms = Math.abs(other.scale / this.scale - 1) > 1e-3;
    const part = zooms ? (1 / scale - 1 / this.scale) / (1 / other.scale - 1 / this.scale) : done;
    return this.#at({ scale, x: this.x + (other.x - this.x) * part, y: this.y + (other.y - this.y) * part });
  }

  #at(place) {
    return new Camera(this.bounds, this.width, this.height, place);
  }
}

function scaleFor({ left, top, right, bottom }, width, height, margin) {
  const across = Math.max(1, width - 2 * Math.min(margin, width / 8)) / Math.max(1e-3, right - left);
  const down = Math.max(1, height - 2 * Math.min(margin, height / 8)) / Math.max(1e-3, bottom - top);
  return Math.min(across, down);
}

const middleOf = ({ left, top, right, bottom }) => ({ x: (left + right) / 2, y: (top + bottom) / 2 });

/** The middle of the sight on one axis: the map's where all is in sight, else with a margin beside the map at most. */
function kept(middle, low, high, sight, margin) {
  if (high - low + 2 * margin <= sight) return (low + high) / 2;
  const half = sight / 2 - margin;
  return Math.min(high - half, Math.max(low + half, middle));
}
