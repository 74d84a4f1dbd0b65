// A complete small client of Aisle in JavaScript: copy it and change what you need.
//
//     node examples/client.mjs http://127.0.0.1:8080 demo demopass1234 1 2     (show 1, two seats)
//
// It needs Node 20 or a browser, and no package. Node 22 and browsers have a WebSocket; in Node 20 it takes
// `node --experimental-websocket`, and without one this client polls instead. Four things make it safe:
//
// - `Login` renews the access token before it expires. A refresh token works once: everything in this process shares one
//   `Login`, and another process makes its own.
// - `Aisle.#decide` sends a booking call with one Idempotency-Key until its decision is known. Store the key before the
//   call: after a crash, the same call with the same key gives the same booking, never a second one.
// - `SeatMap.apply` takes only what is newer than what it has, so a reconnect cannot turn it back.
// - `Aisle.#live` reconnects WebSockets, slower each time, with a fresh token.

const GIVE_UP_MS = 120_000; // for one call, all tries together
const TIMEOUT_MS = 45_000; // longer than any `Prefer: wait=N`
const RENEW_EARLY_MS = 60_000;
const POLL_MS = 1_000; // where there is no WebSocket
const SILENCE_MS = 60_000; // a socket that is silent for this long may be dead: ask once over HTTP
const TRY_AGAIN = [429, 500, 502, 503, 504]; // with the same key: nothing happens twice

const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
const jitter = (ms) => ms * (1 + Math.random() / 2); // not all clients in the same moment

/** An answer that stays as it is: `code` is stable, `message` is for people, `seats` are the seats at fault. */
export class Refused extends Error {
  constructor(status, problem = {}, retryAfterMs = 0) {
    super(`${status} ${problem.code}: ${problem.detail}`);
    Object.assign(this, { name: "Refused", status, code: problem.code, seats: problem.seats ?? [], retryAfterMs });
  }
}

/** The decision is not known yet. Keep the key, and make the same call with it later. */
export class Undecided extends Error {}

/** One exchange. Throws Refused for an error, another Error where the connection broke or took too long. */
async function exchange(url, { method = "GET", headers = {}, body } = {}) {
  if (body !== undefined) headers = { ...headers, "Content-Type": "application/json" };
  const answer = await fetch(url, {
    method,
    headers,
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  if (answer.status === 304) return null;
  if (!answer.ok) {
    let problem = { detail: text.slice(0, 200) }; // a proxy in front may answer with a page
    try {
      problem = JSON.parse(text);
    } catch {}
    throw new Refused(answer.status, problem, 1000 * Number(answer.headers.get("Retry-After") ?? 0));
  }
  return JSON.parse(text);
}

/** One login: an access token that is always fresh. Many calls may use it at once. */
export class Login {
  #url;
  #credentials;
  #pair = null;
  #renewal = null; // one refresh at a time: a second use of a refresh token ends the login
  expiresAt = 0;

  constructor(url, username, password) {
    this.#url = url;
    this.#credentials = { username, password };
  }

  /** The access token; a new one when it expires soon, or when it is the `rejected` one. */
  async access(rejected = null) {
    if (Date.now() > this.expiresAt - RENEW_EARLY_MS || this.#pair.access === rejected) {
      this.#renewal ??= this.#renew().finally(() => (this.#renewal = null));
      await this.#renewal;
    }
    return this.#pair.access;
  }

  async #renew() {
    const refresh = this.#pair?.refresh;
    if (refresh) this.#pair.refresh = null; // spent from here on, even if the answer is lost
    const post = (path, body) => exchange(this.#url + path, { method: "POST", body });
    const pair = refresh && (await post("/api/token/refresh", { refresh }).catch(() => null));
    this.#pair = pair || (await post("/api/login", this.#credentials)); // a day has passed, or the pair is lost
    this.expiresAt = Date.now() + this.#pair.expires_in * 1000;
  }
}

/** The seats of a show: `states.get(label)` is a(vailable), h(eld), s(old) or b(locked). */
export class SeatMap {
  constructor({ sections, states, version }) {
    this.labels = sections.flatMap(({ rows }) => rows.flatMap(({ seats }) => seats)); // these never change
    this.states = new Map(this.labels.map((label, n) => [label, states[n]]));
    this.version = version;
  }

  /** Applies a `seats` or `changes` message; false when it is not newer than the map. */
  apply({ version = -1, states, changes }) {
    if (version <= this.version) return false;
    this.version = version;
    const changed = states ? this.labels.map((label, n) => [label, states[n]]) : Object.entries(changes);
    for (const [label, state] of changed) this.states.set(label, state);
    return true;
  }
}

/** What a customer can do. */
export class Aisle {
  constructor(url, username, password) {
    this.url = url.replace(/\/$/, "");
    this.login = new Login(this.url, username, password);
  }

  /** Holds `{seats: ["C12"]}`, or `{quantity: 2}` for the best ones. Confirm before `expires_at`. */
  hold(showId, key, wanted) {
    return this.#decide(`/api/shows/${showId}/holds`, key, wanted);
  }

  confirm(bookingId, key) {
    return this.#decide(`/api/bookings/${bookingId}/confirm`, key);
  }

  /** A hold that lasts longer: by its own length from now, at most until 30 minutes after it was made. */
  extend(bookingId, key) {
    return this.#decide(`/api/bookings/${bookingId}/extend`, key);
  }

  /** The same booking with other seats, as many; refused, it keeps its own. */
  changeSeats(bookingId, key, seats) {
    return this.#decide(`/api/bookings/${bookingId}/seats`, key, { seats });
  }

  cancel(bookingId, key) {
    return this.#decide(`/api/bookings/${bookingId}/cancel`, key);
  }

  async seats(showId) {
    return new SeatMap(await this.#send(`/api/shows/${showId}/seats`));
  }

  /** The booking as decided. Throws Refused for a no, Undecided when neither is known after GIVE_UP_MS. */
  async #decide(path, key, body) {
    const deadline = Date.now() + GIVE_UP_MS;
    const headers = { "Idempotency-Key": key, Prefer: "wait=10" };
    let answer = await this.#send(path, { method: "POST", headers, body });
    while (answer.status === "pending") { // a 202: it will be decided, whatever crashes
      if (Date.now() > deadline) throw new Undecided(`${path}: ${answer.command} is pending`);
      answer = await this.#send(`/api/commands/${answer.command}`, { headers: { Prefer: "wait=10" } });
    }
    if (answer.status === "refused") throw new Refused(answer.problem.status, answer.problem);
    return answer.booking ?? answer;
  }

  /** Sends one request until it has an answer that stays. It may arrive more than once. */
  async #send(path, options = {}) {
    const deadline = Date.now() + GIVE_UP_MS;
    let token = null;
    let rejected = null;
    for (let pause = 200; ; pause = Math.min(2 * pause, 5_000)) {
      let wait = pause;
      try {
        token = await this.login.access(rejected);
        const headers = { ...options.headers, Authorization: `Bearer ${token}` };
        return await exchange(this.url + path, { ...options, headers });
      } catch (error) {
        if (error instanceof Refused) {
          if (error.status === 401 && token && !rejected) {
            rejected = token; // expired: renew once, same key
            continue;
          }
          if (!TRY_AGAIN.includes(error.status)) throw error;
          wait = error.retryAfterMs || pause;
        } // else refused, broken or too slow: it may have been decided
        if (Date.now() > deadline) throw new Undecided(`${path}: ${error.message}`, { cause: error });
      }
      await sleep(jitter(wait));
    }
  }

  /** Calls `changed(seatMap)` now and after each change, until `signal` is aborted. */
  async watchSeats(showId, changed, signal) {
    const seats = await this.seats(showId);
    changed(seats);
    const apply = (message) => {
      const isNew = seats.apply(message);
      if (isNew) changed(seats);
      return isNew;
    };
    const ask = async () => apply(await this.#send(`/api/shows/${showId}/seats`));
    await this.#live(`/api/shows/${showId}/live`, { apply, ask, signal, isPrivate: false });
  }

  /** Calls `changed(booking)` for the latest bookings, then for each that changes, each state once and in order. */
  async watchBookings(changed, signal) {
    const newest = new Map(); // of two states of a booking the one with the greater offset is the later one
    const apply = ({ type, booking }) => {
      if (type !== "booking" || booking.decided.offset <= (newest.get(booking.id) ?? -1)) return false;
      newest.set(booking.id, booking.decided.offset);
      changed(booking);
      return true;
    };
    const ask = async () => {
      const { items } = await this.#send("/api/me/bookings?limit=100");
      return items.reverse().filter((booking) => apply({ type: "booking", booking })).length > 0;
    };
    await this.#live("/api/me/live", { apply, ask, signal, isPrivate: true });
  }

  /** Connections, a new one whenever the last has ended. `ask` fetches what was missed and says if there was any. */
  async #live(path, { apply, ask, signal, isPrivate }) {
    let rejected = null;
    for (let pause = 200; !signal.aborted; pause = Math.min(2 * pause, 10_000)) {
      try {
        if (typeof WebSocket === "undefined") {
          await ask();
          pause = POLL_MS;
        } else {
          const token = isPrivate ? await this.login.access(rejected) : null;
          const began = Date.now();
          const code = await this.#connection(path, token, { apply, ask, signal });
          if (code === 4401) rejected = token; // the token, or the account, is not good any more
          else if (Date.now() - began > 10_000) pause = 200;
        }
      } catch (error) {
        if (error instanceof Refused && !TRY_AGAIN.includes(error.status)) throw error;
      }
      if (!signal.aborted) await sleep(jitter(pause), signal);
    }
  }

  /** One connection, to its end; returns the code it was closed with. */
  #connection(path, token, { apply, ask, signal }) {
    return new Promise((resolve) => {
      const socket = new WebSocket(this.url.replace(/^http/, "ws") + path);
      let renewal;
      let silence;
      const end = (code = 1006) => {
        clearTimeout(renewal);
        clearTimeout(silence);
        signal.removeEventListener("abort", abort);
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(code);
      };
      const abort = () => end();
      const listen = () => {
        clearTimeout(silence);
        silence = setTimeout(async () => {
          if (await ask().catch(() => true)) end(); // something was missed: the connection is dead
          else if (socket.readyState === WebSocket.OPEN) listen();
        }, SILENCE_MS);
      };
      const authenticate = async () => {
        const access = await this.login.access();
        if (socket.readyState !== WebSocket.OPEN) return;
        socket.send(JSON.stringify({ type: "auth", access }));
        const ms = Math.max(0, this.login.expiresAt - RENEW_EARLY_MS - Date.now()) + 1_000;
        renewal = setTimeout(() => authenticate().catch(abort), ms);
      };
      socket.onopen = () => {
        listen();
        if (token) authenticate().then(ask).catch(abort); // once connected, so that nothing falls between
      };
      socket.onmessage = ({ data }) => {
        listen();
        apply(JSON.parse(data));
      };
      socket.onclose = ({ code }) => end(code);
      socket.onerror = abort;
      signal.addEventListener("abort", abort);
    });
  }
}

/** Holds seats, confirms them, and prints the customer's bookings as they change. */
async function main([url, username, password, show = "1", quantity = "2"]) {
  const aisle = new Aisle(url, username, password);
  const watching = new AbortController();
  const watched = aisle.watchBookings((booking) => console.log("live", booking.status, ...booking.seats), watching.signal);
  try {
    const held = await aisle.hold(show, crypto.randomUUID(), { quantity: Number(quantity) });
    console.log("held until", held.expires_at); // here the customer pays
    const booking = await aisle.confirm(held.id, crypto.randomUUID());
    console.log("booked", booking.id, ...booking.seats, booking.total);
    await sleep(1_000);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.log(error.message, ...error.seats);
  }
  watching.abort();
  await watched;
}

if (globalThis.process && import.meta.url === `file://${process.argv[1]}`) await main(process.argv.slice(2));
