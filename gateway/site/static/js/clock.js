// The service's clock. A device's own may be minutes off; the time of a hold is the service's.

/** How far the Date header may lag behind: it has whole seconds, and is renewed once a second. */
const DATE_LAG_MS = 2100;

/** A clock that is set by what the service's responses say. `device` is the device's clock, in ms. */
export class ServiceClock {
  #device;
  #low = -Infinity;
  #high = Infinity;

  constructor(device = Date.now) {
    this.#device = device;
  }

  /** The service's time in ms since 1970. */
  now() {
    return this.#device() + this.#offset();
  }

  /** Notes that the service's clock showed `from` to `to` at some moment between `sent` and `received` of the device's. */
  note(from, to, sent, received) {
    const low = from - received;
    const high = to - sent;
    if (low > this.#high || high < this.#low) {
      // One of the clocks was set since.
      [this.#low, this.#high] = [low, high];
    } else {
      this.#low = Math.max(this.#low, low);
      this.#high = Math.min(this.#high, high);
    }
  }

  #offset() {
    // Most devices are right: only what the responses exclude is corrected.
    return this.#low <= 0 && this.#high >= 0 ? 0 : (this.#low + this.#high) / 2;
  }
}

const clock = new ServiceClock();

/** The service's time in ms since 1970. */
export function now() {
  return clock.now();
}

/** Notes the Date header of a response that was asked for at `sent` and came at `received`, of the device's clock. */
export function noteDate(header, sent, received) {
  const date = Date.parse(header ?? "");
  if (!Number.isNaN(date)) clock.note(date, date + DATE_LAG_MS, sent, received);
}

/** Notes a moment that the service gave while it answered, such as the `created_at` of a new booking. */
export function noteMoment(iso, sent, received) {
  const moment = Date.parse(iso ?? "");
  if (!Number.isNaN(moment)) clock.note(moment, moment + 1, sent, received);
}
