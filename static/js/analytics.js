// The analytics page: fetches the lines of the period and draws them, each in the room kept for it.
import { failed, modes, written } from "./charts/card.js";
import { compact, lineChart } from "./charts/lines.js";

const box = document.getElementById("charts");
const IDS = ["cumulative", "daily", "equity", "drawdown"];
const HALF_DAY_S = 43_200;
const FEWEST = 2; // one point makes no line

function needs(id, text) {
  document.querySelector(`#${id} .chart-wait`).textContent = text;
}

function drawDays({ time, pnl, cumulative, drawdown_pct: drawdown }) {
  const pnlAt = new Map(time.map((at, i) => [at, pnl[i]]));
  const one = { times: time, sync: "analytics" };
  if (time.length < FEWEST) {
    for (const id of ["cumulative", "daily", "drawdown"]) needs(id, "Two trading days are needed for a line; there is one so far.");
    return;
  }
  lineChart("cumulative", { ...one, series: [{ label: "Added up", values: cumulative, token: "chart-1", area: true, signed: true }] });
  lineChart("daily", {
    ...one,
    series: [{ label: "Of the day", values: pnl, token: "chart-1", bars: true, signed: true }],
    colourOf: (at) => (pnlAt.get(at) >= 0 ? "gain" : "loss"),
    pad: HALF_DAY_S,
  });
  lineChart("drawdown", {
    ...one,
    series: [{ label: "Below the top", values: drawdown, token: "loss", area: true, unit: " %" }],
    format: (v, decimals) => `${written(v, decimals)} %`,
  });
}

function drawEquity({ time, equity, pnl }) {
  if (time.length < FEWEST) {
    needs("equity", "Two bars are needed for a line.");
    return;
  }
  const lines = (mode) => ({
    series: [mode === "pnl" ? { label: "Profit and loss", values: pnl, token: "chart-1", signed: true } : { label: "Equity", values: equity, token: "chart-1" }],
    format: compact,
  });
  const chart = lineChart("equity", { times: time, ...lines("equity") });
  modes("equity", (mode) => chart.change(lines(mode)));
}

async function show() {
  try {
    const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${box.dataset.url} answered ${answer.status}`);
    const { days, equity } = await answer.json();
    drawDays(days);
    drawEquity(equity);
  } catch (error) {
    for (const id of IDS) failed(id, show);
    throw error;
  }
}

if (box) show();
