/**
 * Requests that are sent until they have an answer, with one Idempotency-Key each.
 *
 * The key is stored before the request is sent, and removed once there is a definite answer. A reload or a lost
 * connection in between repeats the same request with the same key: the service executes it once and repeats its answer.
 */

import { ApiError, ConnectionLost, call, newKey } from "../api.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
const LONGEST_RETRY_AFTER_S = 10;
const WAIT_S = 10;
const KEPT_MS = 10 * 60_000;
const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/**
 * @typedef {object} Request
 * @property {string} method
 * @property {string} path
 * @property {object} [body]
 */

export class KeptRequests {
  /**
   * @param {import("./storage.js").TabStorage} storage
   * @param {{now?: () => number, call?: typeof call, pause?: (ms: number, signal?: AbortSignal) => Promise<void>}} [more]
   */
  constructor(storage, more = {}) {
    this._storage = storage;
    this._now = more.now ?? Date.now;
    this._call = more.call ?? call;
    this._pause = more.pause ?? pause;
  }

  /**
   * The request under this name that has had no answer, if it is this customer's and not too old.
   * @returns {(Request & {key: string, user: number, at: number}) | null}
   */
  unanswered(name, user) {
    const kept = this._storage.get(`request.${name}`);
    if (kept === null) return null;
    if (kept.user === user && this._now() - kept.at < KEPT_MS) return kept;
    this.forget(name);
    return null;
  }

  forget(name) {
    this._storage.remove(`request.${name}`);
  }

  /**
   * Sends a request until it has a definite answer, and returns the booking. Throws ApiError for a refusal. A 401 leaves
   * the request stored, so that it is the same one after the log-in.
   * @param {string} name one request under way per name
   * @param {Request} request
   * @param {number} user
   * @param {{signal?: AbortSignal, onTrouble?: (kind: "connection" | "overloaded" | null) => void}} [options]
   */
  async send(name, request, user, { signal, onTrouble = () => {} } = {}) {
    const kept = this._keep(name, request, user);
    for (let attempt = 0; ; attempt += 1) {
      try {
        const answer = await this._send(kept, signal);
        this.forget(name);
        return answer;
      } catch (error) {
        if (signal?.aborted) {
          this.forget(name);
          throw error;
        }
        const wait = pauseBefore(error, attempt);
        if (wait === null) {
          if (!(error instanceof ApiError && error.status === 401)) this.forget(name);
          throw error;
        }
        onTrouble(error instanceof ConnectionLost ? "connection" : "overloaded");
        await this._pause(wait, signal);
      }
    }
  }

  _keep(name, request, user) {
    const before = this.unanswered(name, user);
    if (before !== null && same(before, request)) return before;
    const kept = { ...request, key: newKey(), user, at: this._now() };
    this._storage.set(`request.${name}`, kept);
    return kept;
  }

  async _send(kept, signal) {
    let answer = await this._call(kept.method, kept.path, { body: kept.body, key: kept.key, wait: WAIT_S, signal, auth: "needed" });
    while (answer !== null && answer.command !== undefined) {
      if (answer.status === "accepted") return answer.booking;
      if (answer.status === "refused") throw new ApiError(answer.problem.status, answer.problem);
      answer = await this._call("GET", `/api/commands/${answer.command}`, { wait: WAIT_S, signal, auth: "needed" });
    }
    return answer;
  }
}

function same(one, other) {
  const of = ({ method, path, body }) => JSON.stringify([method, path, body ?? null]);
  return of(one) === of(other);
}

/** How long to wait before the request is repeated; null: its answer is definite. */
function pauseBefore(error, attempt) {
  const grown = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
  if (error instanceof ConnectionLost) return grown;
  if (!(error instanceof ApiError) || !RETRIED.has(error.status)) return null;
  const asked = error.problem?.retry_after_s ?? 0;
  if (error.status === 429 && asked > LONGEST_RETRY_AFTER_S) return null;
  return Math.max(grown, Math.min(asked, LONGEST_RETRY_AFTER_S) * 1_000);
}

/** Waits, but not longer than until the connection is back or the request is given up. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal?.addEventListener("abort", done);
  });
}
