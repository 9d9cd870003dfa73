// The map of a sweep: two axes, a figure as colour; fields that have not come in yet are empty.
import { colour } from "../theme.js";
import { shades, sharp, spread } from "./scale.js";

const LEFT = 64;
const BOTTOM = 44;
const [TOP, NAMED] = [8, 26]; // above the fields; where the axis upwards has a name, that stands there

/** onPlace(x, y) for the field under the pointer or the arrow keys. */
export function heatmap(canvas, onPlace) {
  let map = null;
  let cursor = null;
  const above = () => (map.y.label ? NAMED : TOP);

  const size = () => {
    const { width, height } = canvas.getBoundingClientRect();
    return { wide: (width - LEFT) / map.x.words.length, tall: (height - above() - BOTTOM) / map.y.words.length, height };
  };

  function labels(context, axis, at, room, align) {
    const every = Math.max(1, Math.ceil(room / at(1, true)));
    context.textAlign = align;
    axis.words.forEach((word, i) => {
      if (i % every === 0) context.fillText(word.length > 11 ? `${word.slice(0, 10)}…` : word, ...at(i));
    });
  }

  function draw() {
    if (!map) return;
    const { context, width, height } = sharp(canvas);
    const { wide, tall } = size();
    const { share } = spread(map.values, map.better, map.ends);
    const shade = shades();
    context.clearRect(0, 0, width, height);
    const gap = Math.min(1, wide / 8, tall / 8);
    map.values.forEach((value, k) => {
      const [x, y] = [k % map.x.words.length, Math.floor(k / map.x.words.length)];
      const [left, top] = [LEFT + x * wide, height - BOTTOM - (y + 1) * tall];
      const place = share(value);
      if (place === null) return;
      context.fillStyle = shade(place);
      context.fillRect(left + gap, top + gap, wide - 2 * gap, tall - 2 * gap);
    });
    context.strokeStyle = colour("line");
    context.strokeRect(LEFT + 0.5, above() + 0.5, width - LEFT - 1, height - above() - BOTTOM - 1);
    context.fillStyle = colour("chart-text");
    context.textBaseline = "middle";
    labels(context, map.y, (i, step) => (step ? tall : [LEFT - 8, height - BOTTOM - (i + 0.5) * tall]), 16, "right");
    labels(context, map.x, (i, step) => (step ? wide : [LEFT + (i + 0.5) * wide, height - BOTTOM + 14]), 60, "center");
    context.textAlign = "center";
    context.fillText(map.x.label, LEFT + (width - LEFT) / 2, height - 10);
    context.textAlign = "left";
    context.fillText(map.y.label, 0, 10);
    if (cursor) {
      context.strokeStyle = colour("text");
      context.lineWidth = 2;
      context.strokeRect(LEFT + cursor.x * wide + 1, height - BOTTOM - (cursor.y + 1) * tall + 1, wide - 2, tall - 2);
    }
  }

  function place(x, y) {
    cursor = { x: Math.max(0, Math.min(map.x.words.length - 1, x)), y: Math.max(0, Math.min(map.y.words.length - 1, y)) };
    draw();
    onPlace(cursor.x, cursor.y);
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!map) return;
    const { wide, tall, height } = size();
    const x = Math.floor((event.offsetX - LEFT) / wide);
    const y = Math.floor((height - BOTTOM - event.offsetY) / tall);
    if (x < 0 || y < 0 || x >= map.x.words.length || y >= map.y.words.length) return;
    if (cursor?.x !== x || cursor?.y !== y) place(x, y);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step || !map) return;
    event.preventDefault();
    place((cursor?.x ?? 0) + (cursor ? step[0] : 0), (cursor?.y ?? 0) + (cursor ? step[1] : 0));
  });
  new ResizeObserver(draw).observe(canvas);
  document.addEventListener("themechange", draw);

  return {
    /** next: { x, y: axes, values: one a field, row by row from below, better, ends: of the scale, if known } */
    show(next) {
      if (map && (map.x.name !== next.x.name || map.y.name !== next.y.name)) cursor = null;
      map = next;
      draw();
    },
  };
}
