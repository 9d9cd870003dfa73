// A finished portfolio: its frontier, correlations, both equity curves, and its weights over time.
import { failed, ranges, written } from "./charts/card.js";
import { frontierChart } from "./charts/frontier.js";
import { heatmap } from "./charts/heatmap.js";
import { compact, lineChart } from "./charts/lines.js";

const box = document.getElementById("portfolio");
const TOKENS = ["chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6"];
const find = (id) => document.getElementById(id);
const map = heatmap(find("correlation"), (x, y) => map.say?.(x, y));
const edge = frontierChart(find("frontier"), (words) => {
  find("frontier-said").textContent = words;
});

function drawCorrelation({ symbols, correlation }) {
  const downwards = [...symbols].reverse(); // the map is drawn from below, a matrix is read from above
  map.say = (x, y) => {
    const value = correlation[symbols.length - 1 - y][x];
    find("correlation-said").textContent = `${downwards[y]} and ${symbols[x]}: ${written(value, 2, true)}`;
  };
  map.show({
    x: { name: "x", label: "", words: symbols },
    y: { name: "y", label: "", words: downwards },
    values: downwards.flatMap((_name, y) => correlation[symbols.length - 1 - y]),
    better: "higher",
    ends: [Math.min(0, ...correlation.flat()), 1],
  });
}

function drawEquity({ chart, method }) {
  const equity = lineChart("equity", {
    times: chart.time,
    series: [
      { label: method, values: chart.equity, token: "chart-1" },
      { label: chart.benchmark_label, values: chart.benchmark, token: "chart-2", dashed: true },
    ],
    format: compact,
  });
  ranges("equity", "range", chart.time.at(-1), (from) => equity.range(from));
}

function drawHistory({ history }) {
  if (!history.time.length) {
    document.querySelector("#history .chart-wait").textContent = "No computation had an answer.";
    return;
  }
  lineChart("history", {
    times: history.time,
    series: history.lines.map((line, i) => ({ ...line, token: TOKENS[i], unit: " %", stepped: true, dashed: i > 2 })),
    format: (value, decimals) => `${written(value, decimals)} %`,
  });
}

async function show() {
  try {
    const answer = await fetch(box.dataset.drawing, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${box.dataset.drawing} answered ${answer.status}`);
    const drawing = await answer.json();
    edge.show(drawing);
    drawCorrelation(drawing);
    drawEquity(drawing);
    drawHistory(drawing);
    box.dataset.drawn = "true";
  } catch (error) {
    for (const id of ["equity", "history"]) failed(id, show);
    throw error;
  }
}

document.addEventListener("DOMContentLoaded", show);
