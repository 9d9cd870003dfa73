// The charts of a session: drawn once, then continued with what each closed bar brings.
import { failed, waitFor, written } from "./charts/card.js";
import { compact, lineChart } from "./charts/lines.js";
import { priceChart } from "./charts/price.js";
import { subscribe } from "./live.js";

const box = document.getElementById("session-charts");
const topic = document.getElementById("session").dataset.topic;
const picker = document.getElementById("price-symbol");
const reasons = JSON.parse(document.getElementById("reasons").textContent);
const EVERY_MS = 900;
let price = null;
let equity = null;
let waiting = 0;
let turn = 0;

async function load(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}

async function showPrice() {
  const mine = ++turn;
  try {
    const data = await load(picker.selectedOptions[0].dataset.url);
    if (mine !== turn) return;
    if (!data.time.length) {
      waitFor("price", "The first candle appears when the first bar has closed.");
      return;
    }
    price?.remove();
    price = priceChart("price", data, {}, reasons);
  } catch (error) {
    failed("price", showPrice);
    throw error;
  }
}

async function showEquity() {
  try {
    const data = await load(box.dataset.equity);
    if (!data.time.length) {
      waitFor("equity", "The line begins with the first closed bar.");
      return;
    }
    equity = lineChart("equity", { times: data.time, series: [{ label: "Equity", values: data.equity, token: "chart-1", area: false }], format: (v, decimals) => (Math.abs(v) < 1e6 ? written(v, decimals) : compact(v)), daily: false });
  } catch (error) {
    failed("equity", showEquity);
    throw error;
  }
}

/** The candles since the last one, with lines, trades and levels as the rows have them; many events are one request. */
function continuePrice() {
  if (waiting) return;
  waiting = setTimeout(async () => {
    waiting = 0;
    if (!price) {
      await showPrice();
      return;
    }
    const mine = turn;
    const more = await load(`${picker.selectedOptions[0].dataset.url}?since=${price.last()}`).catch(() => null);
    if (more && mine === turn) price.merge(more);
  }, EVERY_MS);
}

function continueEquity({ ts, equity: value }) {
  if (!equity) showEquity();
  else equity.append(Math.floor(typeof ts === "number" ? ts : Date.parse(ts) / 1000), [Number(value)]);
}

const HANDLERS = {
  cycle_completed(payload) {
    continueEquity(payload);
    continuePrice();
  },
  trade_executed: continuePrice,
  position_updated: continuePrice,
};

picker.addEventListener("change", showPrice);
document.addEventListener("DOMContentLoaded", () => {
  Promise.allSettled([showPrice(), showEquity()]);
  subscribe(topic, (event, payload) => HANDLERS[event]?.(payload));
});
document.addEventListener("session:fresh", () => {
  if (price) continuePrice();
});
