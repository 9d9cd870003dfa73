// Positions: prices and P&L as they change, marks that grow old, and the chart in the details.
import { failed, waitFor } from "./charts/card.js";
import { priceChart } from "./charts/price.js";
import { flash, money, px } from "./figures.js";
import { follow, refresh } from "./trades.js";

const LOOK_AT_AGE_MS = 5000;
const row = (id) => document.querySelector(`tr[data-position="${CSS.escape(id)}"]`);
let chart = null;

function signed(cell, value, unit = "") {
  const span = document.createElement("span");
  const text = money(value, true);
  span.className = text.startsWith("+") ? "gain" : text.startsWith("−") ? "loss" : "faint";
  span.textContent = text + unit;
  cell.replaceChildren(span);
}

/** A total moves by as much as one of its parts. */
function add(name, change) {
  const tile = document.querySelector(`[data-total="${name}"]`);
  if (!tile || !change) return;
  tile.dataset.amount = String(Number(tile.dataset.amount) + change);
  if (name === "pnl") signed(tile, Number(tile.dataset.amount));
  else tile.textContent = money(Number(tile.dataset.amount));
}

function mark(tr, price, pnl) {
  const cell = (name) => tr.querySelector(`[data-cell="${name}"]`);
  const qty = Number(tr.dataset.qty);
  const before = Number(cell("value").textContent.replaceAll(",", ""));
  const result = pnl ?? (price - Number(tr.dataset.entry)) * qty * Number(tr.dataset.sign);
  const last = Number(cell("pnl").dataset.amount);
  cell("px").textContent = px(price);
  cell("value").textContent = money(price * qty);
  cell("pnl").dataset.amount = String(result);
  signed(cell("pnl"), result);
  signed(cell("pct"), (result / (Number(tr.dataset.entry) * qty)) * 100, " %");
  cell("age").textContent = "";
  tr.classList.remove("old");
  tr.dataset.at = String(Date.now() / 1000);
  if (result !== last) flash(cell("pnl"));
  add("pnl", result - last);
  add("value", price * qty - before);
}

function hear(event, payload) {
  if (event === "position_updated") {
    const { position } = payload;
    const tr = row(String(position.id));
    // one that is new, or over, or of another size: the list itself is another
    if (!tr || !position.is_open || Number(position.qty) !== Number(tr.dataset.qty)) {
      refresh();
      return;
    }
    mark(tr, Number(position.current_px), Number(position.unrealised_pnl));
    const stop = position.trailing_px ?? position.stop_px;
    tr.querySelector('[data-cell="stop"]').firstChild.textContent = stop === null ? "–" : px(Number(stop));
  } else if (event === "price_update") {
    for (const tr of document.querySelectorAll(`tr[data-session="${CSS.escape(payload.session)}"]`)) {
      if (tr.dataset.symbol === payload.symbol) mark(tr, Number(payload.px), null);
    }
  }
}

function grow() {
  for (const tr of document.querySelectorAll("tr[data-old-after]")) {
    const age = Date.now() / 1000 - Number(tr.dataset.at);
    if (age <= Number(tr.dataset.oldAfter)) continue;
    tr.classList.add("old");
    tr.querySelector('[data-cell="age"]').textContent = age < 7200 ? `${Math.round(age / 60)} min old` : `${Math.round(age / 3600)} h old`;
  }
}

async function draw() {
  const box = document.querySelector("[data-position-chart]");
  if (!box) return;
  chart?.remove();
  chart = null;
  try {
    const answer = await fetch(box.dataset.positionChart, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${box.dataset.positionChart} answered ${answer.status}`);
    const data = await answer.json();
    if (!box.isConnected) return; // closed meanwhile
    if (!data.time.length) {
      waitFor("position", "The session has kept no bars of this time, so there is nothing to draw.");
      return;
    }
    chart = priceChart("position", data, {}, data.reasons);
  } catch (error) {
    failed("position", draw);
    throw error;
  }
}

follow(hear);
setInterval(grow, LOOK_AT_AGE_MS);
document.addEventListener("panelopen", draw);
document.getElementById("panel")?.addEventListener("close", () => {
  chart?.remove();
  chart = null;
});
draw();
