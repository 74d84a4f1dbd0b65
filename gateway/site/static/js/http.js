// One request to the service: JSON in, JSON out, problems as errors.

import { noteDate, noteMoment } from "./clock.js";

/** Seconds that a request may take beside the wait for its decision. */
const TIMEOUT_S = 20;
/** Seconds that the service waits for a decision unless it is told otherwise. */
const DEFAULT_WAIT_S = 10;

/** A response that is a problem: `problem` is its document, with `code` and `detail`. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? String(status));
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }

  get code() {
    return this.problem.code ?? "";
  }
}

/** No response: nobody knows whether the request has arrived. With the same key it may be sent again. */
export class ConnectionLost extends Error {
  constructor(cause) {
    super("the connection was lost", { cause });
    this.name = "ConnectionLost";
  }
}

/**
 * Sends one request and returns what its response has: JSON, null for nothing, or a Blob.
 * @param {string} method
 * @param {string} path
 * @param {{body?: object, key?: string, wait?: number, signal?: AbortSignal, token?: string | null,
 *   as?: "json" | "blob", keepalive?: boolean}} options `key` is an Idempotency-Key, `wait` the seconds to wait for a
 *   decision, `token` an access token.
 * @throws {ApiError | ConnectionLost} or the reason of `signal`
 */
export async function request(method, path, options = {}) {
  const { body, key, wait, signal, token, as = "json", keepalive = false } = options;
  const headers = { Accept: as === "json" ? "application/json" : "*/*" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (wait !== undefined) headers["Prefer"] = `wait=${wait}`;
  if (token) headers["Authorization"] = `Bearer ${token}`;
  const timeout = AbortSignal.timeout((TIMEOUT_S + (wait ?? DEFAULT_WAIT_S)) * 1000);
  const sent = Date.now();
  let response, content;
  try {
    response = await fetch(path, {
      method,
      headers,
      keepalive,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? either(signal, timeout) : timeout,
      credentials: "same-origin",
      cache: "no-store",
    });
    noteDate(response.headers.get("Date"), sent, Date.now());
    content = response.ok && as === "blob" ? await response.blob() : await response.text();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new ConnectionLost(error);
  }
  if (!response.ok) throw new ApiError(response.status, problemOf(response, content));
  if (as === "blob") return content;
  const document = content ? JSON.parse(content) : null;
  if (response.status === 201 && !response.headers.has("Idempotency-Replayed")) {
    noteMoment(document?.created_at, sent, Date.now());
  }
  return document;
}

function problemOf(response, content) {
  try {
    const problem = JSON.parse(content);
    if (problem && typeof problem === "object") return problem;
  } catch {
    // A proxy's own page.
  }
  const wait = Number(response.headers.get("Retry-After"));
  return { status: response.status, code: "", detail: "", ...(wait > 0 && { retry_after_s: wait }) };
}

/** A signal that is aborted with the first of two. */
function either(one, other) {
  if (AbortSignal.any) return AbortSignal.any([one, other]);
  const controller = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}
