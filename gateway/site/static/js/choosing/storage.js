/** What this tab remembers across reloads. Where storage is not allowed, it remembers until the page is left. */

const PREFIX = "aisle.show.";

export class TabStorage {
  /** @param {Storage | null} [storage] */
  constructor(storage = usable()) {
    this._storage = storage;
    this._memory = new Map();
  }

  /** @returns {any} null if there is nothing, or nothing that can be read */
  get(name) {
    try {
      const text = this._storage === null ? this._memory.get(name) : this._storage.getItem(PREFIX + name);
      return text ? JSON.parse(text) : null;
    } catch {
      return null;
    }
  }

  set(name, value) {
    const text = JSON.stringify(value);
    this._memory.set(name, text);
    try {
      this._storage?.setItem(PREFIX + name, text);
    } catch {
      this._storage = null;
    }
  }

  remove(name) {
    this._memory.delete(name);
    try {
      this._storage?.removeItem(PREFIX + name);
    } catch {
      this._storage = null;
    }
  }
}

function usable() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}
