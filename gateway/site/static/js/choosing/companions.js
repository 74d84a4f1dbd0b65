/** Companion seats: they go with an accessible seat beside them until a day before the show. Pure. */

const DAY_MS = 24 * 3_600_000;

/** Whether companion seats still need an accessible seat beside them. */
export function companionsBound(startsAt, nowMs) {
  return Date.parse(startsAt) - nowMs > DAY_MS;
}

/** The accessible seats beside a companion seat. */
export function spacesBeside(index, layout, places) {
  return places.neighbours(index).filter((other) => layout.kindOf(other) === "w");
}

/**
 * Companion seats of a selection that have no accessible seat of the customer beside them.
 * @param {Set<number>} selected
 * @param {Set<number>} mine
 * @returns {number[]}
 */
export function alone(selected, mine, layout, places) {
  return [...selected].filter(
    (index) =>
      layout.kindOf(index) === "c" &&
      !spacesBeside(index, layout, places).some((space) => selected.has(space) || mine.has(space)),
  );
}

/**
 * Free companion seats beside the accessible seats of a selection.
 * @param {(index: number) => boolean} isFree
 * @returns {{space: number, companion: number}[]}
 */
export function offered(selected, layout, places, isFree) {
  const offers = [];
  for (const space of selected) {
    if (layout.kindOf(space) !== "w") continue;
    const beside = places.neighbours(space).filter((other) => layout.kindOf(other) === "c");
    if (beside.some((other) => selected.has(other))) continue;
    const companion = beside.find(isFree);
    if (companion !== undefined) offers.push({ space, companion });
  }
  return offers;
}
