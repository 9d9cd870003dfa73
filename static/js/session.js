// A session's page, live: figures from each closed bar, the other parts drawn again by the server when something happened.
import { flash, show } from "./figures.js";
import { heard, startFreshness } from "./freshness.js";
import { subscribe } from "./live.js";
import { refresh, refreshAll } from "./parts.js";
import { toast } from "./toasts.js";

const box = document.getElementById("session");
const tab = new URL(location).searchParams.get("tab") ?? "overview";
const LISTS = new Set(["overview", "positions", "orders", "decisions"]);
let connections = 0;

function figures(root, values) {
  for (const element of root.querySelectorAll("[data-live]")) {
    const value = values[element.dataset.live];
    if (value !== undefined) show(element, value);
  }
}

function cycle(payload) {
  const initial = Number(document.querySelector("[data-initial]")?.dataset.initial);
  figures(document.getElementById("session-tiles"), { ...payload, change: Number(payload.equity) - initial });
  heard(document.getElementById("session-head"));
  if (tab === "decisions") refresh("tab-body");
}

function position({ position: now }) {
  const row = document.querySelector(`[data-position="${CSS.escape(now.symbol)}"]`);
  if (!row || !now.is_open) refresh("tab-body");
  else figures(row, now);
}

function trade({ trade: fill }) {
  const words = `${fill.side === "BUY" ? "Bought" : "Sold"} ${Number(fill.qty)} ${fill.symbol} at ${Number(fill.px)}`;
  document.getElementById("session-said").textContent = words;
  refresh("tab-body");
  refresh("session-head");
}

function price({ symbol, px }) {
  const row = document.querySelector(`[data-position="${CSS.escape(symbol)}"]`);
  if (row) figures(row, { current_px: px });
}

const HANDLERS = {
  cycle_completed: cycle,
  position_updated: position,
  trade_executed: trade,
  price_update: price,
  parity_made: () => refresh("tab-body"),
  order_updated() {
    refresh("session-head");
    if (LISTS.has(tab)) refresh("tab-body");
  },
  bot_status_changed() {
    refresh("session-head");
    refresh("tab-body");
  },
};

subscribe(
  box.dataset.topic,
  (event, payload) => HANDLERS[event]?.(payload),
  () => {
    connections += 1;
    refreshAll();
    if (connections > 1) toast("Connected again. What you see was fetched anew.");
    document.dispatchEvent(new CustomEvent("session:fresh"));
  },
);
document.body.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id === "session-notices" && event.detail.target.textContent.trim()) flash(event.detail.target);
});
startFreshness();

function asked() {
  if (location.hash === "#stop" && document.getElementById("session-actions").querySelector("[data-testid=stop]")) document.getElementById("stop-dialog").showModal();
}

addEventListener("hashchange", asked);
asked();
document.getElementById("form-refused")?.focus();
