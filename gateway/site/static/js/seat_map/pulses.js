/** Rings that widen and fade around seats that just changed, so that one sees where the house fills. */

const LASTS_MS = 700;
const MOST = 150;
const LEAST_RADIUS = 4;

export class Pulses {
  #seats = new Map();

  /**
   * Begins a ring around each seat; none where too many change at once to be seen one by one.
   *
   * @param {number[]} seats
   * @param {number} now - milliseconds
   */
  begin(seats, now) {
    if (seats.length > MOST) return;
    for (const seat of seats) {
      this.#seats.delete(seat);
      this.#seats.set(seat, now);
    }
    for (const seat of this.#seats.keys()) {
      if (this.#seats.size <= MOST) break;
      this.#seats.delete(seat);
    }
  }

  /**
   * Draws the rings; returns whether any goes on.
   *
   * @param {CanvasRenderingContext2D} context - in CSS pixels
   * @param {import("./camera.js").Camera} camera
   * @param {import("./layout.js").SeatLayout} layout
   * @param {string} colour
   * @param {number} now
   */
  draw(context, camera, layout, colour, now) {
    if (this.#seats.size === 0) return false;
    context.strokeStyle = colour;
    const radius = Math.max(LEAST_RADIUS, camera.scale * 0.5);
    for (const [seat, since] of this.#seats) {
      const passed = (now - since) / LASTS_MS;
      if (passed >= 1) {
        this.#seats.delete(seat);
        continue;
      }
      const { x, y } = camera.toScreen(layout.x[seat], layout.y[seat]);
      if (x < -40 || y < -40 || x > camera.width + 40 || y > camera.height + 40) continue;
      context.globalAlpha = (1 - passed) ** 2;
      context.lineWidth = Math.max(1.5, radius * 0.22);
      context.beginPath();
      context.arc(x, y, radius * (1 + passed * 0.9), 0, 2 * Math.PI);
      context.stroke();
    }
    context.globalAlpha = 1;
    return this.#seats.size > 0;
  }
}
