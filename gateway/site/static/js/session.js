// Who is logged in. The access token is in memory only; the refresh token is a cookie that no script can read.
// Tabs share both: one refreshes at a time, and what it gets is sent to the others.

import { ApiError, request } from "./http.js";
import { rememberLanguage } from "./language_cookie.js";

/** Says that this browser has a session, and until when: a page without one asks the service for nothing. */
const MARK = "aisle.session";
const LOCK = "aisle.session";
const CHANNEL = "aisle.session";
const SESSION_MS = 24 * 3600 * 1000;
/** A token that expires sooner than this is refreshed before it is sent. */
const MARGIN_MS = 60_000;
const RETRIES_MS = [300, 1000, 3000];

/** The session of this browser. An event `change` says that `user` is another one, or has changed. */
class Session extends EventTarget {
  /** The account, as GET /api/me has it; null without a login. */
  user = null;
  #access = null;
  #expires = 0;
  #refreshing = null;
  #channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(CHANNEL) : null;

  constructor() {
    super();
    this.#channel?.addEventListener("message", ({ data }) => this.#heard(data));
    addEventListener("pageshow", (event) => event.persisted && this.#compare());
    addEventListener("online", () => this.#compare());
    /** Settled once it is known who is logged in. */
    this.ready = this.#open();
  }

  /** Whether this browser has a session, as far as is known without asking. */
  get expected() {
    return this.user !== null || marked();
  }

  /**
   * An access token that is valid for a while; null without a login. `refused` is one that the service did not take.
   * @throws {ConnectionLost | ApiError} when it cannot be refreshed now
   */
  async accessToken(refused = null) {
    if (this.#isFresh() && this.#access !== refused) return this.#access;
    if (!this.expected) return null;
    this.#refreshing ??= this.#refresh(refused).finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  /** Logs in with a user name or an e-mail address. @throws {ApiError | ConnectionLost} */
  async logIn(username, password) {
    await exclusively(async () => {
      this.#take(await request("POST", "/api/session", { body: { username, password } }));
    });
    await this.reload();
    rememberLanguage(this.user.language);
    this.#channel?.postMessage({ type: "in" });
  }

  /** Makes an account and logs in. @throws {ApiError | ConnectionLost} */
  async signUp(account) {
    await request("POST", "/api/signup", { body: account });
    await this.logIn(account.username, account.password);
  }

  /** Ends the login, here and in the other tabs. @throws {ApiError | ConnectionLost} when it could not be ended */
  async logOut() {
    await exclusively(() => request("DELETE", "/api/session", { body: {} }));
    this.#end();
    this.#channel?.postMessage({ type: "out" });
  }

  /** Reads the account again, after it was changed. @throws {ApiError | ConnectionLost} */
  async reload() {
    const token = await this.accessToken();
    this.#show(token === null ? null : await request("GET", "/api/me", { token }));
  }

  async #open() {
    if (!marked()) return;
    for (const pause of [...RETRIES_MS, null]) {
      try {
        await this.reload();
        return;
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return;
        if (pause === null) return; // "online", or the next call, tries again
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  async #refresh(refused) {
    return exclusively(async () => {
      // Another tab may have refreshed meanwhile, or logged out.
      if (this.#isFresh() && this.#access !== refused) return this.#access;
      if (!this.expected) return null;
      try {
        this.#take(await request("POST", "/api/session/refresh", { body: {}, keepalive: true }));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 401)) throw error;
        this.#end();
        this.#channel?.postMessage({ type: "out" });
        return null;
      }
      this.#channel?.postMessage({ type: "token", access: this.#access, expires: this.#expires });
      return this.#access;
    });
  }

  #isFresh() {
    return this.#access !== null && Date.now() < this.#expires - MARGIN_MS;
  }

  #take({ access, expires_in }) {
    this.#access = access;
    this.#expires = Date.now() + expires_in * 1000;
    mark();
  }

  #end() {
    this.#access = null;
    unmark();
    this.#show(null);
  }

  #show(user) {
    const before = JSON.stringify(this.user);
    this.user = user;
    if (JSON.stringify(user) !== before) this.dispatchEvent(new Event("change"));
  }

  #heard({ type, access, expires }) {
    if (type === "out") {
      this.#access = null;
      this.#show(null);
    } else if (type === "token" && this.user !== null) {
      [this.#access, this.#expires] = [access, expires];
    } else if (type === "in") {
      this.#access = null; // maybe of another account
      this.#compare();
    }
  }

  /** Finds out again who is logged in, where this page may have missed it. */
  #compare() {
    if (!marked()) this.#show((this.#access = null));
    else if (this.user === null || !this.#isFresh()) this.reload().catch(() => {});
  }
}

/** Runs an action while no other tab runs one. */
function exclusively(action) {
  // Without https there are no locks; the service answers two refreshes at once with the same cookie.
  return navigator.locks ? navigator.locks.request(LOCK, action) : action();
}

function marked() {
  try {
    const until = Number(localStorage.getItem(MARK));
    return until > 0 && !(until > 1e12 && until < Date.now());
  } catch {
    return false;
  }
}

function mark() {
  try {
    localStorage.setItem(MARK, String(Date.now() + SESSION_MS));
  } catch {
    // Without storage the session lasts as long as the page.
  }
}

function unmark() {
  try {
    localStorage.removeItem(MARK);
  } catch {
    // As above.
  }
}

export const session = new Session();
