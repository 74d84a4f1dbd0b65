/** Seats as pictures, drawn once for each look and size: shape tells the state, marks tell the kind. */

import { mixed } from "./colours.js";
import { CHOSEN, CLOSED, FREE, GONE, OWN, TAKEN, kindOf, shapeOf, tierOfLook } from "./looks.js";

/** Of a seat's place, so much is seat; the rest is the gap to the next. */
const FILLED = 0.84;
const ROUNDING = 0.27;
const FIRST_MARKS = 10;

export class SeatSprites {
  #colours;
  #sprites = new Map();

  /**
   * @param {import("./colours.js").Colours} colours
   * @param {number} size - device pixels for the width of a seat
   */
  constructor(colours, size) {
    this.#colours = colours;
    this.size = size;
    /** Width and height of a sprite, in device pixels. */
    this.side = Math.ceil(size) + 4;
  }

  of(look) {
    let sprite = this.#sprites.get(look);
    if (sprite === undefined) this.#sprites.set(look, (sprite = this.#draw(look)));
    return sprite;
  }

  #draw(look) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = this.side;
    const context = canvas.getContext("2d");
    context.translate(this.side / 2, this.side / 2);
    drawSeat(context, look, this.size, this.#colours);
    return canvas;
  }
}

/** The colour of a label on a seat of this look, or null where it shows none. */
export function labelColour(look, colours) {
  const shape = shapeOf(look);
  const kind = kindOf(look);
  if (shape === FREE) return kind === "w" || kind === "c" ? null : colours.seatInk;
  return shape === OWN ? colours.ink : null;
}

/** Draws a seat of this size around the origin. */
export function drawSeat(context, look, size, colours) {
  const side = size * FILLED;
  const shape = shapeOf(look);
  const tier = colours.tiers[tierOfLook(look)];
  const outline = () => {
    context.beginPath();
    context.roundRect(-side / 2, -side / 2, side, side, side * ROUNDING);
  };
  context.lineCap = context.lineJoin = "round";
  if (shape === FREE) drawFree(context, kindOf(look), side, tier, outline, colours);
  else if (shape === CHOSEN) drawChosen(context, side, outline, colours);
  else if (shape === OWN) drawOwn(context, side, outline, colours);
  else if (shape === TAKEN) drawTaken(context, side, outline, colours);
  else if (shape === GONE) drawCross(context, side, colours);
  else if (shape === CLOSED) drawDash(context, side, colours);
}

function drawFree(context, kind, side, tier, outline, colours) {
  outline();
  context.fillStyle = tier;
  context.fill();
  if (kind === "r") drawCorner(context, side, colours);
  if (side < FIRST_MARKS) return;
  context.strokeStyle = context.fillStyle = colours.seatInk;
  if (kind === "w") drawWheelchair(context, side);
  if (kind === "c") drawCompanion(context, side);
}

function drawChosen(context, side, outline, colours) {
  outline();
  context.fillStyle = colours.chosen;
  context.fill();
  drawEdge(context, side, Math.max(1, side * 0.06), colours.chosenEdge);
  context.lineWidth = Math.max(1.2, side * 0.13);
  context.strokeStyle = colours.chosenInk;
  line(context, [-0.22, 0.02], [-0.06, 0.19], [0.24, -0.17], side);
}

/** A ring, with the label inside. */
function drawOwn(context, side, outline, colours) {
  outline();
  context.fillStyle = mixed(colours.section, colours.chosen, 0.22);
  context.fill();
  drawEdge(context, side, Math.max(1.5, side * 0.14), colours.chosenEdge);
}

function drawEdge(context, side, width, colour) {
  const inner = side - width;
  context.beginPath();
  context.roundRect(-inner / 2, -inner / 2, inner, inner, side * ROUNDING - width / 3);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}

/** Held by somebody else: the lower half is filled, corner to corner. */
function drawTaken(context, side, outline, colours) {
  context.save();
  outline();
  context.clip();
  context.fillStyle = colours.held;
  context.beginPath();
  context.moveTo(-side, side);
  context.lineTo(side, -side);
  context.lineTo(side, side);
  context.fill();
  context.restore();
  drawEdge(context, side, Math.max(1, side * 0.08), colours.held);
}

function drawCross(context, side, colours) {
  context.lineWidth = Math.max(1, side * 0.085);
  context.strokeStyle = colours.sold;
  line(context, [-0.17, -0.17], [0.17, 0.17], null, side);
  line(context, [-0.17, 0.17], [0.17, -0.17], null, side);
}

function drawDash(context, side, colours) {
  context.lineWidth = Math.max(1.2, side * 0.13);
  context.strokeStyle = colours.blocked;
  line(context, [-0.28, 0], [0.28, 0], null, side);
}

/** A restricted view: the corner towards the stage is folded away. */
function drawCorner(context, side, colours) {
  const [edge, fold] = [side / 2 + 1, side * 0.4];
  context.fillStyle = colours.section;
  context.beginPath();
  context.moveTo(edge - fold - 1, -edge);
  context.lineTo(edge, -edge);
  context.lineTo(edge, -edge + fold + 1);
  context.fill();
}

function drawWheelchair(context, side) {
  const unit = side / 24;
  context.lineWidth = Math.max(1, 1.9 * unit);
  context.beginPath();
  context.arc(-2.2 * unit, -7.4 * unit, 1.9 * unit, 0, 2 * Math.PI);
  context.fill();
  line(context, [-2.2 / 24, -4.2 / 24], [-1.6 / 24, 1.6 / 24], [4 / 24, 1.6 / 24], side);
  line(context, [4 / 24, 1.6 / 24], [6.2 / 24, 7.2 / 24], null, side);
  line(context, [-2 / 24, -2.2 / 24], [3 / 24, -2.2 / 24], null, side);
  context.beginPath();
  context.arc(-1.6 * unit, 3.4 * unit, 5.2 * unit, 0.35, 1.25 * Math.PI);
  context.stroke();
}

function drawCompanion(context, side) {
  const unit = side / 24;
  context.beginPath();
  context.arc(0, -3.8 * unit, 3.2 * unit, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.arc(0, 7.4 * unit, 6.2 * unit, Math.PI, 2 * Math.PI);
  context.closePath();
  context.fill();
}

function line(context, from, through, to, side) {
  context.beginPath();
  context.moveTo(from[0] * side, from[1] * side);
  context.lineTo(through[0] * side, through[1] * side);
  if (to) context.lineTo(to[0] * side, to[1] * side);
  context.stroke();
}
