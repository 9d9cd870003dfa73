// Every combination as a line through its values to what it gave; the better, the fuller its colour and the later drawn.
import { colour } from "../theme.js";
import { shades, sharp, spread } from "./scale.js";

const SIDE = 56;
const TOP = 38; // the axis' name, and under it the word of its upper end: beside the axis lines would run through it
const BOTTOM = 24;
const MOST = 1500;

/** Which to draw when there are too many: the best third in full, of the rest every so many. */
function chosen(cells, better) {
  const sign = better === "higher" ? 1 : -1;
  const known = cells.filter((cell) => cell.value !== null).sort((a, b) => sign * (a.value - b.value));
  if (known.length <= MOST) return known;
  const top = known.slice(-Math.floor(MOST / 3));
  const rest = known.slice(0, -top.length);
  const every = Math.ceil(rest.length / (MOST - top.length));
  return [...rest.filter((_, i) => i % every === 0), ...top];
}

export function parallel(canvas) {
  let lines = null;

  function draw() {
    if (!lines) return;
    const { context, width, height } = sharp(canvas);
    const { axes, cells, figure, better } = lines;
    const shown = chosen(cells, better);
    const { low, high, cut, share } = spread(shown.map((cell) => cell.value), better);
    const shade = shades();
    const across = (i) => SIDE + (i * (width - 2 * SIDE)) / axes.length;
    const up = (part) => height - BOTTOM - part * (height - TOP - BOTTOM);
    const clamp = (value) => (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5);
    context.clearRect(0, 0, width, height);
    context.lineWidth = 1;
    context.globalAlpha = shown.length > 300 ? 0.45 : 0.8;
    for (const cell of shown) {
      context.strokeStyle = shade(share(cell.value));
      context.beginPath();
      axes.forEach((axis, i) => {
        const part = axis.words.length > 1 ? cell.places[i] / (axis.words.length - 1) : 0.5;
        if (i) context.lineTo(across(i), up(part));
        else context.moveTo(across(i), up(part));
      });
      context.lineTo(across(axes.length), up(clamp(cell.value)));
      context.stroke();
    }
    context.globalAlpha = 1;
    context.fillStyle = colour("chart-text");
    const number = (value, sign) => (value === null ? "–" : `${sign}${value.toLocaleString("en-US", { maximumSignificantDigits: 3 })}`);
    const ends = [...axes.map((axis) => [axis.label, axis.words[0], axis.words.at(-1)]), [figure, number(low, cut[0] ? "≤ " : ""), number(high, cut[1] ? "≥ " : "")]];
    const room = Math.max(6, Math.floor((width - 2 * SIDE) / axes.length / 7));
    ends.forEach(([label, first, last], i) => {
      context.strokeStyle = colour("line-strong");
      context.beginPath();
      context.moveTo(across(i), up(0));
      context.lineTo(across(i), up(1));
      context.stroke();
      context.textAlign = i === 0 ? "left" : i === axes.length ? "right" : "center";
      const x = i === 0 ? 4 : i === axes.length ? width - 4 : across(i);
      context.fillText(label.length > room ? `${label.slice(0, room - 1)}…` : label, x, 12);
      context.fillText(last, x, TOP - 8);
      context.fillText(first, x, height - 8);
    });
    return shown.length;
  }

  new ResizeObserver(draw).observe(canvas);
  document.addEventListener("themechange", draw);
  return {
    /** next: { axes, cells: [{ places, value }], figure, better }; answers how many lines there are. */
    show(next) {
      lines = next;
      return draw();
    },
  };
}
