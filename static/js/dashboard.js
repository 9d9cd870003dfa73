// The dashboard, live: each session's figures in place from its closed bars; tiles and lists drawn again by the server.
import { failed, modes, written } from "./charts/card.js";
import { compact, lineChart } from "./charts/lines.js";
import { show } from "./figures.js";
import { heard, startFreshness } from "./freshness.js";
import { subscribe } from "./live.js";
import { refresh, refreshAll } from "./parts.js";
import { toast } from "./toasts.js";

const box = document.getElementById("dashboard");
const EVERY_MS = 5000;
let connections = 0;
let chart = null;
let waiting = 0;

const lines = ({ pnl, equity }, mode) => ({
  series: [mode === "equity" ? { label: "Equity", values: equity, token: "chart-1" } : { label: "Profit or loss", values: pnl, token: "chart-1", area: true, signed: true }],
  format: (v, decimals) => (Math.abs(v) < 1e5 ? written(v, decimals, mode !== "equity") : compact(v)),
  log: false,
});

async function draw() {
  if (!document.getElementById("equity")) return;
  try {
    const answer = await fetch(box.dataset.equity, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`the chart's address answered ${answer.status}`);
    const data = await answer.json();
    if (!data.time.length) {
      const wait = document.querySelector("#equity .chart-wait");
      if (wait) wait.textContent = "The line begins with the first closed bar.";
      return;
    }
    if (!chart) {
      const mode = () => document.querySelector("#equity-card [data-mode][aria-pressed=true]").dataset.mode;
      chart = { data, mode, line: lineChart("equity", { times: data.time, ...lines(data, mode()), daily: false }) };
      modes("equity", (chosen) => chart.line.change(lines(chart.data, chosen)));
    } else {
      chart.data = data;
      chart.line.replace(data.time, lines(data, chart.mode()).series);
    }
  } catch (error) {
    failed("equity", draw);
    throw error;
  }
}

function later() {
  waiting ||= setTimeout(() => {
    waiting = 0;
    draw();
  }, EVERY_MS);
}

const HANDLERS = {
  cycle_completed(payload) {
    const card = document.querySelector(`.session-card[data-session="${CSS.escape(String(payload.session))}"]`);
    if (!card) refresh("dashboard-sessions");
    for (const element of card?.querySelectorAll("[data-live]") ?? []) if (payload[element.dataset.live] !== undefined) show(element, payload[element.dataset.live]);
    heard(card);
    refresh("dashboard-tiles");
    if (payload.open_positions) refresh("dashboard-lists");
    later();
  },
  trade_executed({ trade }) {
    document.getElementById("session-said").textContent = `${trade.side === "BUY" ? "Bought" : "Sold"} ${Number(trade.qty)} ${trade.symbol} at ${Number(trade.px)}`;
    refresh("dashboard-lists");
    refresh("dashboard-tiles");
  },
  bot_status_changed() {
    refresh("dashboard-sessions");
    refresh("dashboard-tiles");
    refresh("dashboard-lists");
  },
  notification() {
    refresh("dashboard-sessions");
  },
};

subscribe(
  box.dataset.topic,
  (event, payload) => HANDLERS[event]?.(payload),
  () => {
    connections += 1;
    if (connections > 1) {
      refreshAll();
      draw();
      toast("Connected again. What you see was fetched anew.");
    }
  },
);
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "dashboard-sessions") heard(null);
});
startFreshness();
document.addEventListener("DOMContentLoaded", draw);
