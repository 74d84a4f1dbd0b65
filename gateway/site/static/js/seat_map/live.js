/**
 * The live seats of a show: a WebSocket with every change in order, and polling where WebSockets are blocked.
 *
 * A new socket begins with all seats, so that after a gap nothing is missing. Sockets that are not open after two
 * attempts, or that a proxy ends before the first message, are taken as blocked: the seat map is asked for every three
 * seconds then, with If-None-Match, and a socket is tried again once a minute.
 */

const POLL_MS = 3_000;
const RETRY_SOCKET_MS = 60_000;
const OPEN_TIMEOUT_MS = 6_000;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 20_000;
const WATCH_MS = 4_000;
const ASLEEP_MS = 15_000;

/** Events: `status` (detail: status of the show), `resumed` (after a gap, as the one before the first message), `connection` (detail: live, polling, lost). */
export class LiveSeats extends EventTarget {
  /**
   * @param {number} showId
   * @param {object} states SeatStates, which this keeps current
   * @param {{WebSocket?: typeof WebSocket, fetch?: typeof fetch}} [environment]
   */
  constructor(showId, states, environment = {}) {
    super();
    this.connection = "lost";
    this._showId = showId;
    this._states = states;
    this._WebSocket = environment.WebSocket ?? globalThis.WebSocket;
    this._fetch = environment.fetch ?? ((...request) => globalThis.fetch(...request));
    this._socket = null;
    this._failures = 0;
    this._began = false;
    this._etag = null;
    this._timer = 0;
    this._polling = 0;
    this._stopped = false;
    this._checkedAt = Date.now();
    this._watch = setInterval(() => this._checkSleep(), WATCH_MS);
    this._onOnline = () => this._connect();
    addEventListener("online", this._onOnline);
    this._connect();
  }

  /** Ends everything. */
  close() {
    this._stopped = true;
    clearInterval(this._watch);
    clearTimeout(this._timer);
    clearTimeout(this._polling);
    removeEventListener("online", this._onOnline);
    this._drop();
  }

  _connect() {
    if (this._stopped) return;
    clearTimeout(this._timer);
    this._drop();
    let socket;
    try {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      socket = new this._WebSocket(`${scheme}://${location.host}/api/shows/${this._showId}/live`);
    } catch {
      this._failed();
      return;
    }
    this._socket = socket;
    let answered = false;
    const timeout = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS);
    socket.onmessage = (event) => {
      if (socket !== this._socket) return;
      if (!answered) {
        answered = true;
        clearTimeout(timeout);
        this._failures = 0;
        this._stopPolling();
        this._report("live");
      }
      this._receive(event.data);
    };
    socket.onclose = () => {
      clearTimeout(timeout);
      if (socket === this._socket) this._failed();
    };
  }

  _receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.type === "seats") {
      // A new socket's picture counts even if its version is lower, as after a restored backup: its changes follow it.
      this._states.replace(message.version, message.states, { restart: this._began });
      this._began = true;
      this.dispatchEvent(new Event("resumed"));
    } else if (message.type === "changes") {
      this._states.apply(message.version, message.changes);
    } else if (message.type === "show") {
      this.dispatchEvent(new CustomEvent("status", { detail: message.status }));
    }
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    if (socket !== null) socket.close();
  }

  _failed() {
    this._socket = null;
    this._failures += 1;
    if (this._stopped) return;
    const blocked = this._failures >= 2;
    if (blocked && !this._polling) this._poll();
    else if (!this._polling) this._report("lost");
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this._failures - 1), LONGEST_PAUSE_MS) * (0.5 + Math.random());
    this._timer = setTimeout(() => this._connect(), this._failures > 6 ? RETRY_SOCKET_MS : pause);
  }

  _stopPolling() {
    clearTimeout(this._polling);
    this._polling = 0;
  }

  async _poll() {
    this._polling = setTimeout(() => this._poll(), POLL_MS);
    if (document.visibilityState === "hidden") return;
    try {
      const headers = this._etag === null ? {} : { "If-None-Match": this._etag };
      const response = await this._fetch(`/api/shows/${this._showId}/seats`, { headers, cache: "no-store" });
      if (!this._polling) return; // a socket has come meanwhile, and knows better
      if (response.status === 200) {
        const seats = await response.json();
        if (!this._polling) return;
        this._etag = response.headers.get("ETag");
        if (seats.version > this._states.version) this._states.replace(seats.version, seats.states);
      }
      this._report(response.status < 500 ? "polling" : "lost");
      if (this.connection === "polling") this.dispatchEvent(new Event("resumed"));
    } catch {
      this._report("lost");
    }
  }

  /** A device that was asleep has a socket that looks open and is not. */
  _checkSleep() {
    const now = Date.now();
    const asleep = now - this._checkedAt > WATCH_MS + ASLEEP_MS;
    this._checkedAt = now;
    if (asleep) this._connect();
  }

  _report(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.dispatchEvent(new CustomEvent("connection", { detail: connection }));
  }
}
