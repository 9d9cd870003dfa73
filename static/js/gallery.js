// One published strategy: its growth beside holding, with the held-out part shaded.
import { failed } from "./charts/card.js";
import { lineChart } from "./charts/lines.js";

const box = document.getElementById("gallery-chart");

async function draw() {
  try {
    const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${box.dataset.chart} answered ${answer.status}`);
    const { time, strategy, benchmark, starts, parts } = await answer.json();
    const shades = starts.map((from, i) => ({ from, to: starts[i + 1] ?? time.at(-1), words: parts[i] })).slice(1);
    lineChart("growth", {
      times: time,
      series: [
        { label: "Strategy", values: strategy, token: "chart-1" },
        { label: "Bought and held", values: benchmark, token: "chart-2", dashed: true },
      ],
      shades,
      log: true,
    });
  } catch (error) {
    failed("growth", draw);
    throw error;
  }
}

if (box) document.addEventListener("DOMContentLoaded", draw);
