// Lines, areas and bars over time with uPlot (a classic script: window.uPlot); charts that share `sync` share the cursor.
import { colour } from "../theme.js";
import { legend, moment, ready, tools, written, zoneOf } from "./card.js";

const AXIS_WIDTH = 68;
const VALUE_SPACE = 22; // px between two figures of the value axis: a small chart has more than one
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 });
export const compact = (value) => COMPACT.format(value);
const FONT = "12px system-ui, sans-serif";

function axis(extra) {
  return {
    stroke: colour("chart-text"),
    font: FONT,
    grid: { stroke: colour("chart-grid"), width: 1 },
    ticks: { show: false },
    ...extra,
  };
}

function withAlpha(rgb, alpha) {
  return rgb.replace(/^rgb\(/, "rgba(").replace(/\)$/, `, ${alpha})`);
}

/** As many as the steps of an axis need: 0 for 5, 1 for 2.5, 2 for 0.25. */
function decimalsOf(step) {
  let decimals = 0;
  while (decimals < 6 && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6) decimals += 1;
  return decimals;
}

const allPositive = (series) => series.every((line) => line.values.every((value) => value === null || value > 0));

/**
 * One chart. times: Unix seconds, or any x with `xFormat`. series: [{label, values, token, dashed, area, bars, stepped, unit, decimals, signed}].
 * format(value, decimals) writes a figure of the value axis, with as many decimals as its steps need.
 * log: a logarithmic value axis, if all values are above zero. sync: key of the shared cursor. top: where the value axis
 * ends, if not at the highest value. daily: whether the times are days, where the first few of them cannot tell. pad: room
 * left of the first and right of the last x, so that bars there are whole. shades: [{from, to, words}] of times behind the lines.
 */
export function lineChart(id, { times, series, sync, format = compact, log = false, xFormat, top, colourOf, daily, pad, shades = [] }) {
  const element = document.getElementById(id);
  const zone = zoneOf(times, daily);
  let plot = null;
  let ticks = [];
  let view = null; // the range that was asked for
  const hidden = new Set(); // labels of the series that are turned off

  function showValues(index) {
    const at = index ?? times.length - 1;
    legend(id, [
      { label: "", value: xFormat ? xFormat(times[at], at) : moment(times[at], zone) },
      ...series.map((line) => ({
        label: line.label,
        value: `${written(line.values[at], line.decimals ?? 2, line.signed)}${line.unit ?? ""}`,
        token: line.token,
        dashed: line.dashed,
      })),
    ]);
  }

  function tickMarks(u) {
    if (!ticks.length) return;
    const { ctx } = u;
    ctx.save();
    ctx.strokeStyle = colour("chart-text");
    ctx.globalAlpha = 0.6;
    ctx.beginPath();
    const foot = u.bbox.top + u.bbox.height;
    for (const time of ticks) {
      const x = u.valToPos(time, "x", true);
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      ctx.moveTo(x, foot);
      ctx.lineTo(x, foot - 8 * devicePixelRatio);
    }
    ctx.stroke();
    ctx.restore();
  }

  function shade(u) {
    const { ctx } = u;
    ctx.save();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    for (const [i, { from, to, words }] of shades.entries()) {
      const left = Math.max(u.valToPos(from, "x", true), u.bbox.left);
      const right = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
      if (right <= left) continue;
      ctx.fillStyle = withAlpha(colour("chart-6"), i % 2 ? 0.22 : 0.12);
      ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
      ctx.fillStyle = colour("chart-text");
      if (ctx.measureText(words).width < right - left) ctx.fillText(words, left + 6 * devicePixelRatio, u.bbox.top + 4 * devicePixelRatio);
    }
    ctx.restore();
  }

  function options() {
    return {
      width: element.clientWidth,
      height: element.clientHeight,
      tzDate: (time) => window.uPlot.tzDate(new Date(time * 1000), zone.zone),
      legend: { show: false },
      cursor: { sync: sync ? { key: sync } : undefined, points: { size: 7 }, drag: { x: !xFormat, y: false } },
      scales: { x: { time: !xFormat, ...(pad ? { range: padded } : {}) }, y: { distr: log && allPositive(series) ? 3 : 1, ...(top ? { range: [0, top] } : {}) } },
      axes: [
        axis(xFormat ? { values: (_u, splits) => splits.map((v) => xFormat(v)) } : zone.daily ? {} : { values: hours }),
        axis({ size: AXIS_WIDTH, space: VALUE_SPACE, values: (_u, splits, _axis, _space, step) => splits.map((v) => (v === null ? "" : format(v, decimalsOf(step)))) }),
      ],
      series: [
        {},
        ...series.map((line) => {
          const stroke = colour(line.token);
          return {
            label: line.label,
            show: !hidden.has(line.label),
            stroke,
            width: line.bars ? 0 : 1.5,
            dash: line.dashed ? [5, 4] : undefined,
            fill: line.bars ? withAlpha(stroke, 0.75) : line.area ? withAlpha(stroke, 0.18) : undefined,
            paths: line.stepped ? window.uPlot.paths.stepped({ align: 1 }) : line.bars ? window.uPlot.paths.bars({ size: [0.9, 60], ...(colourOf ? { disp: barColours(line) } : {}) }) : undefined,
            points: { show: false },
          };
        }),
      ],
      hooks: { setCursor: [(u) => showValues(u.cursor.idx)], drawAxes: [shade], draw: [tickMarks] },
    };
  }

  /** Times of day as everywhere else on the page, the date under the first of each day; days with the year under the first. */
  function hours(_u, splits, _axis, _space, step) {
    const texts = splits.map((time) => moment(time, { ...zone, seconds: step < 60 }));
    return texts.map((text, i) => {
      const [day, time] = text.split(" ");
      if (step >= 86_400) return i && texts[i - 1].startsWith(day.slice(0, 4)) ? day.slice(5) : `${day.slice(5)}\n${day.slice(0, 4)}`;
      return i && texts[i - 1].startsWith(day) ? time : `${time}\n${day.slice(5)}`;
    });
  }

  function padded(_u, min, max) {
    return min === times[0] && max === times.at(-1) ? [min - pad, max + pad] : [min, max];
  }

  function barColours(line) {
    const each = () => line.values.map((_v, i) => withAlpha(colour(colourOf(times[i])), 0.8));
    return { fill: { unit: 3, values: each }, stroke: { unit: 3, values: each } };
  }

  function draw() {
    // uPlot sets its scales a moment after it is made; until then what was asked for counts
    const { min, max } = plot?.scales.x ?? {};
    const now = (min ?? null) === null ? view : { min, max };
    plot?.destroy();
    ready(id);
    plot = new window.uPlot(options(), [times, ...series.map((line) => line.values)], element);
    if (now) plot.setScale("x", now);
    showValues(null);
  }

  draw();
  document.addEventListener("themechange", draw);
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: element.clientHeight })).observe(element);
  tools(id, () => plot.ctx.canvas);
  return {
    /** Small ticks at the foot, at the times of trades. */
    ticks(at) {
      ticks = at;
      plot.redraw(false);
    },
    /** Other values for the same lines: {series, format, log}. */
    change(next) {
      ({ series, format, log } = next);
      draw();
    },
    /** Other times and values for the same lines; a range that was chosen stays. */
    replace(at, next) {
      times = at;
      series = next;
      plot.setData([times, ...series.map((line) => line.values)], view === null);
      showValues(null);
    },
    /** One more moment at the end, or the last one again: a value for each line. */
    append(time, values) {
      if (times.length && time < times.at(-1)) return;
      const at = times.at(-1) === time ? times.length - 1 : times.length;
      times[at] = time;
      series.forEach((line, n) => {
        line.values[at] = values[n];
      });
      plot.setData([times, ...series.map((line) => line.values)], view === null);
      showValues(null);
    },
    show(label, on) {
      if (on) hidden.delete(label);
      else hidden.add(label);
      draw();
    },
    range(from) {
      view = { min: from === null ? times[0] : Math.max(from, times[0]), max: times.at(-1) };
      plot.setScale("x", view);
    },
  };
}
