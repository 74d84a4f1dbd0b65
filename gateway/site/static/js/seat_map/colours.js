/** The map's colours, from the custom properties of its container: they follow the page's, dark or light. */

/** Seats of different prices have up to so many colours. */
export const TIERS = 5;

const NAMES = {
  ground: "--map-ground",
  section: "--map-section",
  edge: "--map-edge",
  focus: "--map-focus",
  plate: "--map-plate",
  ink: "--map-ink",
  quiet: "--map-quiet",
  stage: "--map-stage",
  screen: "--map-screen",
  stageInk: "--map-stage-ink",
  seatInk: "--seat-ink",
  held: "--seat-held",
  sold: "--seat-sold",
  blocked: "--seat-blocked",
  chosen: "--seat-chosen",
  chosenEdge: "--seat-chosen-edge",
  chosenInk: "--seat-chosen-ink",
};

/**
 * @typedef {Record<keyof typeof NAMES, string> & {tiers: string[], font: string}} Colours  as `#rrggbb`
 */

/** @param {Element} element @returns {Colours} */
export function readColours(element) {
  const style = getComputedStyle(element);
  const context = document.createElement("canvas").getContext("2d");
  const read = (name) => {
    context.fillStyle = "#808080";
    context.fillStyle = style.getPropertyValue(name).trim();
    return context.fillStyle;
  };
  const colours = Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, read(name)]));
  colours.tiers = Array.from({ length: TIERS }, (_, tier) => read(`--seat-price-${tier + 1}`));
  colours.font = style.fontFamily;
  return colours;
}

/** Returns the number of the colour, from 0, of the price with this rank among so many. */
export function tierOf(rank, prices) {
  return prices <= TIERS ? rank : Math.floor((rank * TIERS) / prices);
}

/** Returns a colour `#rrggbb` as a pixel of image data without its alpha. */
export function pixelOf(colour) {
  const value = Number.parseInt(colour.slice(1, 7), 16);
  return ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16);
}

/** Returns a colour between two: 0 is the first, 1 the second. */
export function mixed(first, second, part) {
  const channel = (colour, at) => Number.parseInt(colour.slice(at, at + 2), 16);
  const both = [1, 3, 5].map((at) => Math.round(channel(first, at) * (1 - part) + channel(second, at) * part));
  return `#${both.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
