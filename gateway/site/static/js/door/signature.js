/** Codes of tickets without the service: their parts, and whether one of the service's keys has signed them. */

const LETTERS = "BCDFGHJKLNPRSTVX";
const KEYS = "aisle.checkin.keys";
const VERSION = 1;
const BOOKING = 3;
const SEAT = 19;
const SHOW = 22;
const SIGNATURE_BYTES = 64;

/** A code without what scanners add: blanks, line ends, small letters. */
export function tidied(text) {
  const code = text.trim();
  return /^aisle:/i.test(code) ? code : code.replace(/\s+/g, "").toUpperCase();
}

/**
 * The parts of a code; null for one that is no signed ticket.
 * @returns {{bytes: Uint8Array, key: string, ticket: string, show: number} | null} `ticket` names booking and seat
 */
export function parts(code) {
  const bytes = bytesOf(code);
  if (bytes === null || bytes.length < SHOW + 1 + SIGNATURE_BYTES || bytes[0] !== VERSION) return null;
  const end = bytes.length - SIGNATURE_BYTES;
  if (end - SHOW > 6) return null; // no show that JavaScript can count to
  const show = bytes.slice(SHOW, end).reduce((sum, byte) => sum * 256 + byte, 0);
  return { bytes, key: hex(bytes.slice(1, BOOKING)), ticket: hex(bytes.slice(BOOKING, SHOW)), show };
}

function bytesOf(code) {
  const digits = Array.from(code, (letter) => LETTERS.indexOf(letter));
  if (digits.length % 2 || digits.includes(-1)) return null;
  const bytes = new Uint8Array(digits.length / 2);
  for (let n = 0; n < bytes.length; n++) bytes[n] = digits[2 * n] * 16 + digits[2 * n + 1];
  return bytes;
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The public keys. They are kept, so that a reload without a connection has them. */
export class PublicKeys {
  #keys = kept();

  /** Asks the service for them. */
  async load() {
    const response = await fetch("/.well-known/jwks.json", { credentials: "omit" });
    if (!response.ok) return;
    const { keys } = await response.json();
    this.#keys = keys.filter(({ kty, crv }) => kty === "OKP" && crv === "Ed25519");
    try {
      localStorage.setItem(KEYS, JSON.stringify(this.#keys));
    } catch {
      // Without storage they last as long as the page.
    }
  }

  /**
   * Whether a code has a valid signature; null where this cannot be told, as browsers without Ed25519 cannot.
   * @param {{bytes: Uint8Array, key: string}} read the parts of the code
   */
  async signed({ bytes, key }) {
    if (!globalThis.crypto?.subtle || this.#keys.length === 0) return null;
    const end = bytes.length - SIGNATURE_BYTES;
    for (const one of this.#keys) {
      if (one.fingerprint !== key) continue;
      try {
        const imported = await crypto.subtle.importKey("raw", raw(one.x), { name: "Ed25519" }, false, ["verify"]);
        const ok = await crypto.subtle.verify({ name: "Ed25519" }, imported, bytes.slice(end), bytes.slice(0, end));
        if (ok) return true;
      } catch {
        return null;
      }
    }
    return false;
  }
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEYS)) ?? [];
  } catch {
    return [];
  }
}

function raw(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
