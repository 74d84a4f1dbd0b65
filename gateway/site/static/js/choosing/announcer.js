/** Live regions: what a screen reader reads out. Polite for news, assertive for what the customer is about to lose. */

const AGAIN_MS = 60;

export class Announcer {
  /**
   * @param {HTMLElement} polite an element with role="status"
   * @param {HTMLElement} assertive an element with role="alert"
   */
  constructor(polite, assertive) {
    this._polite = polite;
    this._assertive = assertive;
  }

  /** Reads a text out when the reader pauses. */
  say(text) {
    put(this._polite, text);
  }

  /** Reads a text out at once. */
  alert(text) {
    put(this._assertive, text);
  }
}

/** A text that is the same as before is read again only if the region was empty in between. */
function put(region, text) {
  region.textContent = "";
  setTimeout(() => {
    region.textContent = text;
  }, AGAIN_MS);
}
