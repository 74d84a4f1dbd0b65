// Where a page goes on after a log-in: the `next` of its address, if that is a page of this site.

/** The address of a page of this site; the front page for anything else. @param {string | null} next */
export function ownAddress(next, base = location.href) {
  const front = new URL("/", base).href;
  if (!next?.startsWith("/")) return front;
  try {
    const address = new URL(next, base);
    // Compared as the browser reads it: "//evil", "/\evil" and "/\t/evil" are other sites.
    return address.origin === new URL(base).origin ? address.href : front;
  } catch {
    return front;
  }
}

/** Where this page goes on. */
export function nextAddress() {
  return ownAddress(new URLSearchParams(location.search).get("next"));
}

/** The address of the log-in or sign-up that comes back to a page, by default this one. */
export function logInAddress(page = "/login", next = location.pathname + location.search + location.hash) {
  return `${page}?next=${encodeURIComponent(next)}`;
}
