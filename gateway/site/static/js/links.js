/** Links of e-mails of earlier releases, such as `/#/reset/{token}`: replaced by the address that they have now. */

const PAGES = { reset: "/password/reset#", "email/confirm": "/email/confirm#", "email/undo": "/email/undo#", bookings: "/bookings/" };

function leadOn() {
  const found = /^#\/(reset|email\/confirm|email\/undo|bookings)\/([^/]+)$/.exec(location.hash);
  if (found) location.replace(PAGES[found[1]] + found[2]);
  else if (location.hash.startsWith("#/")) history.replaceState(null, "", location.pathname + location.search);
}

leadOn();
addEventListener("hashchange", leadOn);
