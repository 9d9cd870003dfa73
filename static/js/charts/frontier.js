// The efficient frontier: volatility across, return upwards; the chosen weights, equal ones and single symbols as marks.
import { colour } from "../theme.js";
import { written } from "./card.js";
import { sharp } from "./scale.js";

const LEFT = 52;
const RIGHT = 16;
const TOP = 28; // the name of the axis upwards stands there
const BOTTOM = 40;
const NEAR = 30; // pixels within which a point is meant
const HEAVIEST = 5;

/** Round steps that part the span into about so many. */
function steps(low, high, about) {
  const rough = (high - low) / about || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((times) => times * unit >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
  return { found, decimals: Math.max(0, -Math.floor(Math.log10(step))) };
}

/** onPoint(words) for the point under the pointer or the arrow keys. */
export function frontierChart(canvas, onPoint) {
  let points = []; // all that can be pointed at: those of the frontier first
  let curve = 0; // how many of them are the frontier's
  let cursor = null;
  let span = null;

  const place = (point, width, height) => [
    LEFT + ((point.volatility_pct - span.left) / (span.right - span.left)) * (width - LEFT - RIGHT),
    height - BOTTOM - ((point.return_pct - span.low) / (span.high - span.low)) * (height - TOP - BOTTOM),
  ];

  function axes(context, width, height) {
    context.strokeStyle = colour("chart-grid");
    context.fillStyle = colour("chart-text");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const up = steps(span.low, span.high, 5);
    for (const value of up.found) {
      const y = place({ volatility_pct: span.left, return_pct: value }, width, height)[1];
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(width - RIGHT, y);
      context.stroke();
      context.fillText(`${written(value, up.decimals)} %`, LEFT - 6, y);
    }
    context.textAlign = "center";
    const across = steps(span.left, span.right, Math.max(2, (width - LEFT) / 90));
    for (const value of across.found) {
      const x = place({ volatility_pct: value, return_pct: span.low }, width, height)[0];
      context.fillText(`${written(value, across.decimals)} %`, x, height - BOTTOM + 14);
    }
    context.fillText("Volatility", LEFT + (width - LEFT - RIGHT) / 2, height - 8);
    context.textAlign = "left";
    context.fillText("Return", 0, 10);
  }

  function mark(context, kind, x, y) {
    context.beginPath();
    if (kind === "chosen") {
      context.fillStyle = colour("accent");
      context.arc(x, y, 6, 0, 7);
    } else if (kind === "equal") {
      context.fillStyle = colour("chart-2");
      context.rect(x - 5, y - 5, 10, 10);
    } else {
      context.fillStyle = colour("chart-6");
      context.arc(x, y, 3, 0, 7);
    }
    context.fill();
  }

  function draw() {
    if (!span) return;
    const { context, width, height } = sharp(canvas);
    context.clearRect(0, 0, width, height);
    axes(context, width, height);
    context.strokeStyle = colour("chart-1");
    context.lineWidth = 2;
    context.beginPath();
    points.slice(0, curve).forEach((point, i) => context[i ? "lineTo" : "moveTo"](...place(point, width, height)));
    context.stroke();
    const taken = points.slice(curve).map((point) => {
      const [x, y] = place(point, width, height);
      return { left: x - 5, right: x + 5, top: y - 5, foot: y + 5 };
    });
    // The marks that matter last, so that they lie on top; their names first, so that they find room.
    for (const point of points.slice(curve)) mark(context, point.kind, ...place(point, width, height));
    for (const point of [...points.slice(curve)].reverse()) {
      const [x, y] = place(point, width, height);
      const wide = context.measureText(point.name).width;
      // to the right of its mark, else to the left, beneath, above: where no other name stands
      const room = [[x + 9, y], [x - 9 - wide, y], [x - wide / 2, y + 15], [x - wide / 2, y - 15]]
        .map(([left, middle]) => ({ left, right: left + wide, middle, top: middle - 8, foot: middle + 8 }))
        .find((one) => one.left > LEFT && one.right < width && taken.every((other) => one.left > other.right || one.right < other.left || one.top > other.foot || one.foot < other.top));
      if (!room) continue;
      taken.push(room);
      context.textAlign = "left";
      context.lineWidth = 4;
      context.strokeStyle = colour("surface-card");
      context.strokeText(point.name, room.left, room.middle);
      context.fillStyle = colour(point.kind === "single" ? "chart-text" : "text");
      context.fillText(point.name, room.left, room.middle);
    }
    if (cursor !== null) {
      const [x, y] = place(points[cursor], width, height);
      context.strokeStyle = colour("text");
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 9, 0, 7);
      context.stroke();
    }
  }

  function choose(index) {
    cursor = index;
    draw();
    onPoint(points[index].words);
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!span) return;
    const { width, height } = canvas.getBoundingClientRect();
    const away = points.map((point) => {
      const [x, y] = place(point, width, height);
      return Math.hypot(x - event.offsetX, y - event.offsetY);
    });
    const nearest = away.lastIndexOf(Math.min(...away));
    if (away[nearest] < NEAR && nearest !== cursor) choose(nearest);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
    if (!step || !span) return;
    event.preventDefault();
    choose(cursor === null ? 0 : Math.max(0, Math.min(points.length - 1, cursor + step)));
  });
  new ResizeObserver(draw).observe(canvas);
  document.addEventListener("themechange", draw);

  const figures = ({ return_pct: earned, volatility_pct: moved }) => `${written(earned, 2, true)} % a year at a volatility of ${written(moved)} %`;

  function heaviest(symbols, weights) {
    const order = weights.map((weight, k) => [weight, symbols[k]]).filter(([weight]) => weight >= 0.005).sort((a, b) => b[0] - a[0]);
    const named = order.slice(0, HEAVIEST).map(([weight, symbol]) => `${symbol} ${written(weight, 1)} %`);
    return `${named.join(", ")}${order.length > HEAVIEST ? ", …" : ""}`;
  }

  return {
    /** next: {symbols, frontier: [{return_pct, volatility_pct, weights_pct}], chosen, equal, singles} */
    show({ symbols, frontier, chosen, equal, singles, method }) {
      points = [
        ...frontier.map((point) => ({ ...point, kind: "edge", name: "", words: `Frontier, ${figures(point)}: ${heaviest(symbols, point.weights_pct)}.` })),
        ...singles.map((point) => ({ ...point, kind: "single", name: point.symbol, words: `${point.symbol} alone: ${figures(point)}.` })),
        { ...equal, kind: "equal", name: "Equal weights", words: `Equal weights: ${figures(equal)}.` },
        { ...chosen, kind: "chosen", name: "Chosen", words: `${method}, as chosen: ${figures(chosen)}.` },
      ];
      curve = frontier.length;
      const [across, upwards] = [points.map((point) => point.volatility_pct), points.map((point) => point.return_pct)];
      const [left, right, low, high] = [Math.min(...across), Math.max(...across), Math.min(...upwards), Math.max(...upwards)];
      const [wide, tall] = [(right - left || 1) * 0.06, (high - low || 1) * 0.08];
      span = { left: Math.max(0, left - wide), right: right + wide, low: low - tall, high: high + tall };
      draw();
    },
  };
}
