/**
 * What the customer asks of the service: hold, best seats, more time, other seats, give back, confirm.
 *
 * One request at a time. Each is kept until it has an answer (kept_requests.js), so a double click, a reload or a lost
 * connection never asks for anything twice. Without a login the wish is kept, and continued after the log-in.
 */

import { ApiError } from "../api.js";
import { logInAddress } from "../next.js";
import { session } from "../session.js";

const INTENT_MS = 15 * 60_000;

/** @typedef {{what: string, id?: string, path: string, body?: object}} Wish */

export class Requests {
  /**
   * @param {import("./state.js").ShowState} state
   * @param {import("./kept_requests.js").KeptRequests} kept
   * @param {import("./storage.js").TabStorage} storage
   * @param {{leave?: (address: string) => void}} [more]
   */
  constructor(state, kept, storage, { leave = (address) => location.assign(address) } = {}) {
    this._state = state;
    this._kept = kept;
    this._storage = storage;
    this._leave = leave;
    this._intent = `intent.${state.show.id}`;
    this._current = `current.${state.show.id}`;
    this._abort = null;
  }

  /**
   * Sends a wish and returns the booking; null where there is nothing to wait for: another request is under way, the
   * customer has given it up or has to log in first. Throws ApiError for a refusal.
   * @param {Wish} wish
   */
  async send(wish) {
    const state = this._state;
    if (state.busy !== null) return null;
    state.set({ busy: { what: wish.what, id: wish.id }, trouble: null, notice: null });
    const abort = (this._abort = new AbortController());
    try {
      await session.ready;
      if (session.user === null) return this._logIn(wish);
      this._storage.set(this._current, wish);
      const request = { method: "POST", path: wish.path, body: wish.body };
      const booking = await this._kept.send(this._name(wish), request, session.user.id, {
        signal: abort.signal,
        onTrouble: (trouble) => state.set({ trouble }),
      });
      this._storage.remove(this._current);
      return booking;
    } catch (error) {
      if (abort.signal.aborted) return this._dropped();
      if (error instanceof ApiError && error.status === 401) return this._logIn(wish);
      this._storage.remove(this._current);
      throw error;
    } finally {
      this._abort = null;
      state.set({ busy: null, trouble: null });
    }
  }

  /** Ends the repetition of a request whose connection is lost. What it did is seen in the list of holds. */
  giveUp() {
    this._abort?.abort();
  }

  /** What was asked for before the log-in, or before a reload, and is still wanted. Returned once. */
  takeUnfinished() {
    const intent = this._storage.get(this._intent);
    const wish = this._storage.get(this._current);
    if (session.user === null) return null;
    this._storage.remove(this._intent);
    this._storage.remove(this._current);
    if (wish !== null && this._kept.unanswered(this._name(wish), session.user.id) !== null) return wish;
    return intent !== null && Date.now() - intent.at < INTENT_MS ? intent.wish : null;
  }

  _logIn(wish) {
    this._storage.remove(this._current);
    this._storage.set(this._intent, { wish, at: Date.now() });
    this._leave(logInAddress("/login", location.pathname));
    return null;
  }

  _dropped() {
    this._storage.remove(this._current);
    return null;
  }

  _name(wish) {
    return `${this._state.show.id}.${wish.what}${wish.id === undefined ? "" : `.${wish.id}`}`;
  }
}
