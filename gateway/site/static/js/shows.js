/** Shows by their id, each fetched once in the life of a page. */

import { call } from "./api.js";

const known = new Map();

/** @param {number} id @returns {Promise<object>} a show as the API has it. @throws {ApiError | ConnectionLost} */
export function loadShow(id) {
  if (!known.has(id)) {
    const loading = call("GET", `/api/shows/${id}`, { auth: "never" });
    loading.catch(() => known.delete(id));
    known.set(id, loading);
  }
  return known.get(id);
}
