// The comparison: every run's equity on one axis, 100 at its start.
import { ranges, written } from "./charts/card.js";
import { lineChart } from "./charts/lines.js";

function draw() {
  const runs = JSON.parse(document.getElementById("compare-series")?.textContent ?? "[]");
  if (!runs.length) return;
  // runs may cover different days: one time axis for all, and each line keeps its last value between its own points
  const times = [...new Set(runs.flatMap((run) => run.time))].sort((a, b) => a - b);
  const series = runs.map((run, n) => {
    const values = new Array(times.length).fill(null);
    let i = -1;
    times.forEach((time, at) => {
      while (i + 1 < run.time.length && run.time[i + 1] <= time) i += 1;
      if (i >= 0 && time <= run.time.at(-1)) values[at] = run.value[i];
    });
    return { label: run.label, values, token: run.token, dashed: n % 2 === 1, decimals: 1 };
  });
  const chart = lineChart("compare", { times, series, format: written });
  ranges("compare", "range", times.at(-1), (from) => chart.range(from));
}

document.addEventListener("DOMContentLoaded", draw);
