// The result page: fetches the series and draws the charts, each in the room kept for it.
import { failed, modes, ranges, switches, written } from "./charts/card.js";
import { compact, lineChart } from "./charts/lines.js";
import { priceChart } from "./charts/price.js";

const box = document.getElementById("charts");
const picker = document.getElementById("price-symbol");
const reasons = JSON.parse(document.getElementById("reasons").textContent);
const settings = { stopPct: Number(box.dataset.stop) || 0, targetPct: Number(box.dataset.target) || 0 };
let price = null;
let equity = null;
let tradeTimes = [];

async function load(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}

/** The lines in money, or in percent of what was there at the start. */
function equityLines(chart, mode) {
  const [convert, unit] = mode === "pct" ? [(v) => (v === null ? null : (v / chart.starting_cash - 1) * 100), " %"] : [(v) => v, ""];
  const series = [{ label: "Strategy", values: chart.equity.map(convert), token: "chart-1", unit }];
  if (chart.benchmark) series.push({ label: chart.benchmark_label, values: chart.benchmark.map(convert), token: "chart-2", dashed: true, unit });
  return { series, format: unit ? (v) => `${compact(v)} %` : compact, log: mode === "log" };
}

function drawEquity(chart) {
  const first = document.querySelector("#equity-card [data-mode][aria-pressed=true]").dataset.mode;
  equity = lineChart("equity", { times: chart.time, ...equityLines(chart, first), sync: "result" });
  const drawdown = lineChart("drawdown", {
    times: chart.time,
    series: [{ label: "Below the top", values: chart.drawdown_pct, token: "loss", area: true, unit: " %" }],
    sync: "result",
    format: (v, decimals) => `${written(v, decimals)} %`,
  });
  ranges("equity", "range", chart.time.at(-1), (from) => {
    equity.range(from);
    drawdown.range(from);
  });
  modes("equity", (mode) => equity.change(equityLines(chart, mode)));
  switches("equity", (_key, on) => equity.show(chart.benchmark_label, on));
  equity.ticks(tradeTimes);
}

function drawHistogram({ edges_pct: edges, counts, top }) {
  if (!counts?.length) {
    document.querySelector("#histogram .chart-wait").textContent = "Fewer than two days: nothing to count.";
    return;
  }
  const middles = counts.map((_n, i) => (edges[i] + edges[i + 1]) / 2);
  lineChart("histogram", {
    times: middles,
    series: [{ label: "Days", values: counts, token: "chart-1", bars: true, decimals: 0 }],
    xFormat: (x, i) => (i === undefined ? `${written(x, 1, true)} %` : `${written(edges[i], 2, true)} to ${written(edges[i + 1], 2, true)} %`),
    top,
    colourOf: (x) => (Math.abs(x) < 1e-9 ? "chart-6" : x > 0 ? "gain" : "loss"),
  });
}

async function showSeries() {
  try {
    const { chart, histogram } = await load(box.dataset.chart);
    drawEquity(chart);
    drawHistogram(histogram);
  } catch (error) {
    for (const id of ["equity", "drawdown", "histogram"]) failed(id, showSeries);
    throw error;
  }
}

async function showPrice() {
  try {
    const data = await load(picker.selectedOptions[0].dataset.url);
    price?.remove();
    price = priceChart("price", data, settings, reasons);
    ranges("price", "price_range", data.time.at(-1), (from) => price.range(from));
    tradeTimes = data.trades.map((trade) => trade.time);
    equity?.ticks(tradeTimes);
  } catch (error) {
    failed("price", showPrice);
    throw error;
  }
}

picker.addEventListener("change", showPrice);
document.addEventListener("DOMContentLoaded", () => Promise.allSettled([showSeries(), showPrice()]));
