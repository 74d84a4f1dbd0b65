/** Levels of detail: what is drawn at which scale. Scales are CSS pixels for the width of a seat. Pure. */

export const SECTIONS = "sections";
export const DOTS = "dots";
export const SEATS = "seats";

const FIRST_DOTS = 4;
const FIRST_SEATS = 12;
const FIRST_LABELS = 19;
const FIRST_ROW_NAMES = 9;
/** Where single seats can be hit well. */
export const COMFORTABLE = 28;
const HIT_BY_MOUSE = 10;
const HIT_BY_TOUCH = 18;

/** Returns whether sections, dots or seats are drawn. */
export function levelAt(scale) {
  if (scale < FIRST_DOTS) return SECTIONS;
  return scale < FIRST_SEATS ? DOTS : SEATS;
}

export const hasLabels = (scale) => scale >= FIRST_LABELS;
export const hasRowNames = (scale) => scale >= FIRST_ROW_NAMES;

/** Returns whether a pointer of this type can mean a single seat; else it means the section. */
export const canHitSeats = (scale, pointerType) =>
  scale >= (pointerType === "mouse" || pointerType === "pen" ? HIT_BY_MOUSE : HIT_BY_TOUCH);
