/** The seats of a section as lines and pages: what the list shows at a time. Pure. */

export const SEATS_PER_PAGE = 450;
const LONGEST_ROW = 60;
const LINE = 20;

/**
 * @typedef {object} Line
 * @property {string} name of the row
 * @property {number[]} seats
 */

/**
 * The lines of a section: a row each, or pieces of twenty seats of a very long row.
 * @param {import("./layout.js").SeatLayout} layout
 * @param {(index: number) => boolean} [shown] filter for seats; lines without a seat are left out
 * @returns {Line[]}
 */
export function linesOf(layout, section, shown) {
  const lines = [];
  for (const row of fromTheStage(layout, section)) {
    const size = row.count > LONGEST_ROW ? LINE : row.count;
    for (let from = 0; from < row.count; from += size) {
      const seats = [];
      for (let n = from; n < Math.min(from + size, row.count); n += 1) {
        if (shown === undefined || shown(row.first + n)) seats.push(row.first + n);
      }
      if (seats.length > 0) lines.push({ name: row.name, seats });
    }
  }
  return lines;
}

/** The rows of a section as they lie on the map, from the stage on: a layout names the best rows first. */
function fromTheStage(layout, section) {
  const depth = ({ first, count }) => layout.y[first + (count >> 1)];
  return [...layout.sections[section].rows].sort((one, other) => depth(one) - depth(other));
}

/**
 * Lines in pages of about SEATS_PER_PAGE seats. There is always one page.
 * @param {Line[]} lines
 * @returns {Line[][]}
 */
export function pagesOf(lines) {
  const pages = [[]];
  let seats = 0;
  for (const line of lines) {
    if (seats > 0 && seats + line.seats.length > SEATS_PER_PAGE) {
      pages.push([]);
      seats = 0;
    }
    pages.at(-1).push(line);
    seats += line.seats.length;
  }
  return pages;
}

/** The page and line of a seat, or null where it is not shown. */
export function findSeat(pages, index) {
  for (let page = 0; page < pages.length; page += 1) {
    for (let line = 0; line < pages[page].length; line += 1) {
      const column = pages[page][line].seats.indexOf(index);
      if (column >= 0) return { page, line, column };
    }
  }
  return null;
}
