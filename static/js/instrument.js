// The instrument page: fetches the stored candles and draws them in the room kept for the chart.
import { failed, ranges } from "./charts/card.js";
import { priceChart } from "./charts/price.js";

const box = document.getElementById("instrument-chart");

async function show() {
  let why;
  try {
    const answer = await fetch(box.dataset.bars, { headers: { Accept: "application/json" } });
    const bars = await answer.json();
    why = bars.message;
    if (!answer.ok) throw new Error(`${box.dataset.bars} answered ${answer.status}`);
    const chart = priceChart("price", bars, {}, {});
    ranges("price", "range", bars.time.at(-1), (from) => chart.range(from));
    if (bars.per_candle > 1) {
      document.getElementById("price-summary").textContent += ` One candle stands for ${bars.per_candle} bars.`;
    }
  } catch (error) {
    failed("price", show, why);
    throw error;
  }
}

show();
