/** What lies under the seats: the shapes of sections, and the stage. */

const ROUND = 0.7;
const SMALLEST = 12;
const paths = new WeakMap();

/** The outline of a section as a path in widths of a seat. */
export function sectionPath(section) {
  let path = paths.get(section);
  if (path === undefined) {
    path = new Path2D();
    for (const ring of section.outline) {
      path.moveTo(ring[0], ring[1]);
      for (let n = 2; n < ring.length; n += 2) path.lineTo(ring[n], ring[n + 1]);
      path.closePath();
    }
    paths.set(section, path);
  }
  return path;
}

/**
 * Fills a square with the ground and the shapes of sections that reach into it.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./painter.js").MapParts} map
 * @param {number} scale - pixels for the width of a seat
 * @param {number} left - of the square, in pixels from the map's upper left corner
 * @param {number} top
 * @param {number} side - of the square
 */
export function drawSections(context, map, scale, left, top, side) {
  const { layout, spans, bounds, colours } = map;
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, side, side);
  const [mapLeft, mapTop] = [bounds.left + left / scale, bounds.top + top / scale];
  const reach = 2;
  context.setTransform(scale, 0, 0, scale, -mapLeft * scale, -mapTop * scale);
  context.lineJoin = "round";
  const edge = Math.min(0.3, 2.5 / scale);
  for (const [number, section] of layout.sections.entries()) {
    const box = spans.sectionBox(number);
    if (box.left - reach > mapLeft + side / scale || box.right + reach < mapLeft) continue;
    if (box.top - reach > mapTop + side / scale || box.bottom + reach < mapTop) continue;
    const path = sectionPath(section);
    context.strokeStyle = colours.edge;
    context.lineWidth = ROUND + edge;
    context.stroke(path);
    context.strokeStyle = context.fillStyle = colours.section;
    context.lineWidth = ROUND;
    context.stroke(path);
    context.fill(path);
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/** Draws a line around a section; the context is in CSS pixels. */
export function drawFocus(context, camera, section, colours) {
  context.save();
  moveTo(context, camera);
  context.lineJoin = "round";
  context.lineWidth = ROUND + 4 / camera.scale;
  context.strokeStyle = colours.focus;
  const inside = new Path2D();
  const sight = camera.sight();
  inside.rect(sight.left - 1, sight.top - 1, sight.right - sight.left + 2, sight.bottom - sight.top + 2);
  inside.addPath(sectionPath(section));
  context.clip(inside, "evenodd");
  context.stroke(sectionPath(section));
  context.restore();
}

/** Draws the stage with its label. */
export function drawStage(context, camera, stage, colours) {
  const { x, y } = camera.toScreen(stage.x, stage.y);
  const [width, height] = [stage.width * camera.scale, stage.height * camera.scale];
  context.beginPath();
  context.roundRect(x, y, width, height, Math.min(10, width / 4, height / 3));
  const inside = height * 0.6 >= SMALLEST;
  context.fillStyle = inside ? colours.stage : colours.screen;
  context.fill();
  if (!stage.label) return;
  const most = (width * 1.5) / stage.label.length;
  const size = Math.min(18, most, inside ? height * 0.6 : SMALLEST);
  if (size < SMALLEST) return;
  context.font = `600 ${size}px ${colours.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = inside ? colours.stageInk : colours.quiet;
  context.fillText(stage.label, x + width / 2, inside ? y + height / 2 : y + height + size);
}

/** Lets the context draw in widths of a seat, over a context in CSS pixels. */
function moveTo(context, camera) {
  const { x, y } = camera.toScreen(0, 0);
  context.transform(camera.scale, 0, 0, camera.scale, x, y);
}
