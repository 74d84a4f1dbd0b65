// Calls to the service, with the login of this browser.

import { ApiError, ConnectionLost, request } from "./http.js";
import { session } from "./session.js";

export { ApiError, ConnectionLost };

const REFRESHABLE = ["token_expired", "token_invalid"];

/**
 * Calls the service and returns the JSON of its response, null if there is none.
 * @param {string} method
 * @param {string} path
 * @param {{body?: object, key?: string, wait?: number, signal?: AbortSignal, as?: "json" | "blob",
 *   auth?: "if logged in" | "needed" | "never"}} options `key` is an Idempotency-Key: with the same one the call may be
 *   repeated; `wait` the seconds to wait for a decision. "needed": without a login nothing is sent.
 * @throws {ApiError | ConnectionLost}
 */
export async function call(method, path, { auth = "if logged in", ...options } = {}) {
  const token = auth === "never" ? null : await session.accessToken();
  if (token === null && auth === "needed") throw notLoggedIn();
  try {
    return await request(method, path, { ...options, token });
  } catch (error) {
    if (!(token !== null && error instanceof ApiError && error.status === 401)) throw error;
    if (!REFRESHABLE.includes(error.code)) throw error;
    const fresh = await session.accessToken(token);
    if (fresh === null) throw error;
    return await request(method, path, { ...options, token: fresh });
  }
}

/** A new Idempotency-Key. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function notLoggedIn() {
  return new ApiError(401, { status: 401, code: "unauthenticated", detail: "Log in first." });
}
