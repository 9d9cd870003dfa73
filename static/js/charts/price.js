// Candles with volume, the strategy's lines over and under them, and its trades, with TradingView Lightweight Charts.
import {
  CandlestickSeries,
  HistogramSeries,
  LineSeries,
  LineStyle,
  LineType,
  createChart,
  createSeriesMarkers,
} from "../../vendor/lightweight-charts.mjs";
import { colour } from "../theme.js";
import { legend, moment, ready, tools, written, zoneOf } from "./card.js";

const MARKS_WITH_WORDS = 40; // more labels than this would cover the candles
const VOLUME_PANE = 1;
const LAST_PANE = 3; // lines that need more panes share the last one
const LINE_TOKENS = ["chart-1", "chart-2", "chart-3", "chart-4", "chart-5"];

const points = (times, values) => times.map((time, i) => (values[i] === null ? { time } : { time, value: values[i] }));

/** As points, but a gap stays a gap: the library would draw a line across, so there, at the coming level, it is unseen. */
function steps(times, values) {
  let next = values.findLast((value) => value !== null);
  const found = [];
  for (let i = times.length - 1; i >= 0; i -= 1) {
    next = values[i] ?? next;
    found.push(values[i] === null ? { time: times[i], value: next, color: "transparent" } : { time: times[i], value: next });
  }
  return found.reverse();
}

/** Stop and target while a position is open, from its entry fill: two lists of values, null while there is none. */
function levels(data, { stopPct, targetPct }) {
  const stop = new Array(data.time.length).fill(null);
  const target = stop.slice();
  let held = 0;
  let entry = 0;
  let t = 0;
  data.time.forEach((time, i) => {
    while (t < data.trades.length && data.trades[t].time <= time) {
      const { qty, price } = data.trades[t++];
      if (Math.abs(held) < 1e-9 || Math.sign(held) !== Math.sign(held + qty)) entry = price;
      held += qty;
    }
    if (Math.abs(held) < 1e-9) return;
    const way = Math.sign(held);
    if (stopPct) stop[i] = entry * (1 - (way * stopPct) / 100);
    if (targetPct) target[i] = entry * (1 + (way * targetPct) / 100);
  });
  return { stop, target };
}

const HALF_LABEL_PX = 18;
const AXIS_PX = 64; // what the price axis takes of the width
const LIVE_BARS = 120; // of a live chart, at first: it fills from the right, and a few candles are no wall
const CANDLE = ["time", "open", "high", "low", "close", "volume"];
// the open position's levels: what its line is called and its colour
const LEVELS = { entry: ["Entry", "chart-6"], stop: ["Stop", "loss"], target: ["Target", "gain"], trailing: ["Trailing stop", "warn"] };

/**
 * data: what the server sends for a symbol; marks: [{time, below, token, text}] stand in the place of its trades' own.
 * settings: {stopPct, targetPct, onPick(time) for a click on a bar}; reasons: code → words. A live one also brings
 * daily, seconds, and lines: {entry, stop, target, trailing}, the open position's levels or nulls.
 */
export function priceChart(id, data, settings, reasons) {
  const element = document.getElementById(id);
  const zone = { ...zoneOf(data.time, data.daily), seconds: data.seconds };
  const at = new Map(data.time.map((time, i) => [time, i]));
  let tradesAt = byTime(data.trades);
  const complete = data.trades.length === data.trades_total; // else the position before the first trade is unknown
  const decimals = data.close.at(-1) < 10 ? 4 : 2; // the axis has room below zero, but no price stands there
  let chart = null;
  let drawn = null; // the series that are there now

  const describe = (trade) =>
    `${trade.qty > 0 ? "Bought" : "Sold"} ${written(Math.abs(trade.qty), Number.isInteger(trade.qty) ? 0 : 4)} at ${written(trade.price)}: ${reasons[trade.reason] ?? trade.reason}`;

  function values(index) {
    const i = index ?? data.time.length - 1;
    legend(id, [
      { label: "", value: moment(data.time[i], zone) },
      { label: "O", value: written(data.open[i]) },
      { label: "H", value: written(data.high[i]) },
      { label: "L", value: written(data.low[i]) },
      { label: "C", value: written(data.close[i]) },
      { label: "Volume", value: written(data.volume[i], 0) },
      ...data.overlays.map((line, n) => ({ label: line.label, value: written(line.values[i]), token: LINE_TOKENS[n % LINE_TOKENS.length] })),
    ]);
  }

  /** What stands on the time axis: in the person's zone, as the legend has it. kind: 0 year, 1 month, 2 day, 3 time, 4 seconds. */
  function tick(time, kind) {
    const [day, clock] = moment(time, { ...zone, seconds: kind === 4 }).split(" ");
    return kind >= 3 ? clock : kind === 2 ? day.slice(5) : kind === 1 ? day.slice(0, 7) : day.slice(0, 4);
  }

  function markers() {
    const traded = data.trades.map(({ time, qty }) => ({ time, below: qty > 0, token: qty > 0 ? "chart-1" : "chart-2", text: qty > 0 ? "Buy" : "Sell" }));
    const all = data.marks ?? traded;
    return all.map(({ time, below, token, text }) => ({
      time,
      position: below ? "belowBar" : "aboveBar",
      shape: below ? "arrowUp" : "arrowDown",
      color: colour(token),
      text: all.length <= MARKS_WITH_WORDS ? text : "",
    }));
  }

  function drawLevels() {
    drawn.levels.forEach((line) => drawn.candles.removePriceLine(line));
    drawn.levels = Object.entries(data.lines ?? {})
      .filter(([, price]) => price !== null)
      .map(([name, price]) => {
        const [title, token] = LEVELS[name];
        return drawn.candles.createPriceLine({ price, title, color: colour(token), lineWidth: 1, lineStyle: LineStyle.Dashed, axisLabelVisible: true });
      });
  }

  /** What came since: candles from the last one on, which may have changed, with their lines, trades and levels. */
  function merge(more) {
    const first = more.time[0] ?? Infinity;
    const names = (lines) => lines.map((line) => line.name).join();
    const redraw = more.time.length && names(more.overlays) !== names(data.overlays);
    data.trades = [...data.trades.filter((trade) => trade.time < first), ...more.trades];
    tradesAt = byTime(data.trades);
    data.lines = more.lines;
    more.time.forEach((time, n) => {
      if (time < data.time.at(-1)) return;
      const place = at.get(time) ?? data.time.length;
      at.set(time, place);
      for (const column of CANDLE) data[column][place] = more[column][n];
      data.overlays.forEach((line, k) => {
        line.values[place] = more.overlays[k]?.name === line.name ? more.overlays[k].values[n] : null;
      });
      if (redraw) return;
      drawn.candles.update({ time, open: more.open[n], high: more.high[n], low: more.low[n], close: more.close[n] });
      drawn.volume.update({ time, value: more.volume[n] });
      data.overlays.forEach((line, k) => drawn.overlays[k].update(line.values[place] === null ? { time } : { time, value: line.values[place] }));
    });
    if (redraw) {
      data.overlays = more.overlays.map((line) => ({ ...line, values: [...new Array(data.time.length - line.values.length).fill(null), ...line.values] }));
      draw();
      return;
    }
    drawn.marks.setMarkers(markers());
    drawLevels();
    values(null);
  }

  function draw() {
    const range = chart?.timeScale().getVisibleLogicalRange();
    chart?.remove();
    ready(id);
    const [gain, loss] = [colour("gain"), colour("loss")];
    chart = createChart(element, {
      autoSize: true,
      layout: {
        attributionLogo: false, // it would add a <style>; the notice stands in words under the chart
        background: { color: colour("surface-card") },
        textColor: colour("chart-text"),
        fontSize: 12,
        panes: { separatorColor: colour("line"), enableResize: false },
      },
      grid: { vertLines: { color: colour("chart-grid") }, horzLines: { color: colour("chart-grid") } },
      rightPriceScale: { borderColor: colour("line"), entireTextOnly: true },
      timeScale: { borderColor: colour("line"), timeVisible: !zone.daily, secondsVisible: Boolean(zone.seconds), minBarSpacing: 0.05, ...(zone.daily ? {} : { tickMarkFormatter: tick }) },
      localization: { timeFormatter: (time) => moment(time, zone) },
      crosshair: { mode: 0 },
    });
    const candles = chart.addSeries(CandlestickSeries, {
      upColor: gain,
      downColor: loss,
      borderVisible: false,
      wickUpColor: gain,
      wickDownColor: loss,
      priceLineVisible: false,
      priceFormat: { type: "custom", minMove: 0.0001, formatter: (value) => (value < 0 ? "" : written(value, decimals)) },
    });
    candles.setData(data.time.map((time, i) => ({ time, open: data.open[i], high: data.high[i], low: data.low[i], close: data.close[i] })));
    candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.06 } });
    const volume = chart.addSeries(HistogramSeries, { priceFormat: { type: "volume" }, color: colour("line-strong"), lastValueVisible: false, priceLineVisible: false }, VOLUME_PANE);
    volume.setData(points(data.time, data.volume));

    const quiet = { lineWidth: 1, lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
    const panes = new Map(); // lines of one indicator ("the signal line of MACD(12, 26, 9)") share a pane
    const paneOf = (label) => {
      const indicator = label.replace(/^the .* line of /, "");
      if (!panes.has(indicator)) panes.set(indicator, Math.min(VOLUME_PANE + panes.size + 1, LAST_PANE));
      return panes.get(indicator);
    };
    const overlays = data.overlays.map((line, n) => {
      const drawnLine = chart.addSeries(LineSeries, { ...quiet, color: colour(LINE_TOKENS[n % LINE_TOKENS.length]), lineWidth: 1.5 }, line.pane === "own" ? paneOf(line.label) : 0);
      drawnLine.setData(points(data.time, line.values));
      return drawnLine;
    });
    chart.panes().forEach((each, n) => each.setStretchFactor(n === 0 ? 6 : n === VOLUME_PANE ? 1 : 1.5));

    if (complete && (settings.stopPct || settings.targetPct)) {
      const { stop, target } = levels(data, settings);
      for (const [list, token] of [[stop, "loss"], [target, "gain"]]) {
        if (list.some((value) => value !== null)) {
          chart.addSeries(LineSeries, { ...quiet, color: colour(token), lineStyle: LineStyle.Dashed, lineType: LineType.WithSteps }).setData(steps(data.time, list));
        }
      }
    }
    drawn = { candles, volume, overlays, marks: createSeriesMarkers(candles, markers()), levels: [] };
    drawLevels();

    const tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    element.append(tip);
    chart.subscribeCrosshairMove((move) => {
      values(at.get(move.time));
      const here = move.point ? (tradesAt.get(move.time) ?? []) : [];
      tip.hidden = !here.length;
      if (!here.length) return;
      tip.replaceChildren(...here.map((trade) => Object.assign(document.createElement("div"), { textContent: describe(trade) })));
      tip.style.left = `${Math.max(4, Math.min(move.point.x + 14, element.clientWidth - 270))}px`;
      tip.style.top = `${Math.max(4, move.point.y - 40)}px`;
    });
    if (settings.onPick) chart.subscribeClick((click) => click.time !== undefined && settings.onPick(click.time));
    if (range) chart.timeScale().setVisibleLogicalRange(range);
    else if (data.lines) chart.timeScale().setVisibleLogicalRange({ from: data.time.length - LIVE_BARS, to: data.time.length + 2 });
    else whole();
    values(null);
  }

  /** All bars, and beside them half the width of what stands under the first and the last. */
  function whole() {
    const edge = (HALF_LABEL_PX * data.time.length) / Math.max(1, element.clientWidth - AXIS_PX);
    chart.timeScale().setVisibleLogicalRange({ from: -edge, to: data.time.length - 1 + edge });
  }

  draw();
  document.addEventListener("themechange", draw);
  tools(id, () => chart.takeScreenshot());
  return {
    merge,
    /** Where its last candle begins, in Unix seconds. */
    last: () => data.time.at(-1) ?? 0,
    range(from) {
      if (from === null) whole();
      else chart.timeScale().setVisibleRange({ from: Math.max(from, data.time[0]), to: data.time.at(-1) });
    },
    remove() {
      document.removeEventListener("themechange", draw);
      chart.remove();
    },
  };
}

function byTime(trades) {
  const found = new Map();
  for (const trade of trades) found.set(trade.time, [...(found.get(trade.time) ?? []), trade]);
  return found;
}
