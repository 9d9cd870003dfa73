// The page of a sweep: what came in is fetched as it comes, and drawn as a map and as lines; buttons change with the state.
import { heatmap } from "./charts/heatmap.js";
import { parallel } from "./charts/parallel.js";
import { isLive, subscribe } from "./live.js";
import { refresh } from "./parts.js";
import { duration } from "./progress.js";

const box = document.getElementById("sweep");
const drawing = JSON.parse(document.getElementById("sweep-drawing").textContent);
const { axes, figures, objective, better } = drawing;
const ACTIVE = new Set(["QUEUED", "RUNNING"]);
const POLL_MS = 1000;
const LIVE_POLL_MS = 5000;
const RATE_MS = 60_000; // the time left is told from what the last minute did
const find = (id) => document.getElementById(id);
const count = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

let refused = 0; // combinations that the strategy or the settings do not take
const places = []; // of each cell that came in: the index of its value on each axis
const numbers = [];
const feasible = [];
const values = Object.fromEntries(figures.map(({ name }) => [name, []]));
let after = 0;
let state = find("sweep-head").dataset.state;
let fetching = false;
let again = false;
let drawn = 0;
let seen = []; // [ms, combinations done], the oldest first

function decode(cell) {
  const found = [];
  for (const axis of [...axes].reverse()) {
    found.unshift(cell % axis.words.length);
    cell = Math.floor(cell / axis.words.length);
  }
  return found;
}

// --- What is shown ----------------------------------------------------------------------------------------------------
function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, label]) => new Option(label, value, false, String(value) === String(chosen))));
}

const named = figures.map(({ name, label }) => [name, label]);
const varied = axes.map((axis, i) => [i, axis.label]);
const longest = axes.map((axis, i) => [axis.words.length, -i]).sort((a, b) => b[0] - a[0] || b[1] - a[1]).map(([, i]) => -i);
options(find("map-figure"), named, objective);
options(find("map-x"), varied, longest[0]);
options(find("map-y"), varied, longest[1] ?? longest[0]);
find("map-y").closest(".field").hidden = axes.length < 2;

/** A select for each axis that is not drawn: one of its values, or the best of all. */
function slices() {
  const kept = new Map([...find("map-slices").querySelectorAll("select")].map((select) => [select.dataset.axis, select.value]));
  const [x, y] = [Number(find("map-x").value), Number(find("map-y").value)];
  find("map-slices").replaceChildren(
    ...axes.flatMap((axis, i) => {
      if (i === x || i === y) return [];
      const field = document.createElement("div");
      field.className = "field";
      const label = document.createElement("label");
      const select = document.createElement("select");
      select.id = `map-slice-${i}`;
      select.dataset.axis = i;
      label.htmlFor = select.id;
      label.textContent = axis.label;
      options(select, [["", "Best of all"], ...axis.words.map((word, k) => [k, word])], kept.get(String(i)) ?? "");
      select.addEventListener("change", draw);
      field.append(label, select);
      return [field];
    }),
  );
}

const single = { name: "", label: "", words: [""] };
const map = heatmap(find("map"), (x, y) => say(x, y));
const lines = parallel(find("lines"));
let best = []; // of each field of the map: which cell stands there

function direction(figure) {
  if (figure === objective) return better;
  return /drawdown|volatility/.test(figure) ? "lower" : "higher";
}

function draw() {
  const figure = find("map-figure").value;
  const [x, y] = [Number(find("map-x").value), Number(find("map-y").value)];
  const flat = x === y;
  const across = axes[x];
  const upwards = flat ? single : axes[y];
  const fixed = [...find("map-slices").querySelectorAll("select")].filter((select) => select.value !== "").map((select) => [Number(select.dataset.axis), Number(select.value)]);
  const sign = direction(figure) === "higher" ? 1 : -1;
  best = new Array(across.words.length * upwards.words.length).fill(null);
  for (let k = 0; k < numbers.length; k += 1) {
    const value = values[figure][k];
    if (value === null || fixed.some(([axis, place]) => places[k][axis] !== place)) continue;
    const field = (flat ? 0 : places[k][y]) * across.words.length + places[k][x];
    const old = best[field];
    if (old === null || sign * (value - values[figure][old]) > 0) best[field] = k;
  }
  map.show({ x: across, y: upwards, better: direction(figure), values: best.map((k) => (k === null ? null : values[figure][k])) });
  const label = figures.find(({ name }) => name === figure).label;
  const shown = lines.show({
    axes,
    figure: label,
    better: direction(figure),
    cells: numbers.map((_, k) => ({ places: places[k], value: values[figure][k] })),
  });
  find("map-note").textContent = `${label}: the fuller the colour, the better`;
  const without = refused ? `; ${count.format(refused)} more cannot run: their values do not go together` : "";
  find("lines-note").textContent = `${count.format(shown ?? 0)} of ${count.format(numbers.length)} drawn${without}`;
  drawn = numbers.length;
  box.dataset.drawn = drawn;
}

function say(x, y) {
  const [i, j] = [Number(find("map-x").value), Number(find("map-y").value)];
  const figure = figures.find(({ name }) => name === find("map-figure").value);
  const k = best[y * axes[i].words.length + x];
  if (k === null || k === undefined) {
    const where = i === j ? axes[i].words[x] : `${axes[i].words[x]}, ${axes[j].words[y]}`;
    find("map-said").textContent = `${where}: ${ACTIVE.has(state) ? "nothing here yet" : "no result"}.`;
    return;
  }
  const words = axes.map((axis, a) => `${axis.label} ${axis.words[places[k][a]]}`).join(", ");
  const value = values[figure.name][k].toLocaleString("en-US", { maximumFractionDigits: 2 });
  const unit = figure.unit === "pct" ? " %" : "";
  find("map-said").textContent = `${words}: ${figure.label} ${value}${unit}${feasible[k] ? "" : ", outside the limits"}.`;
}

// --- What comes in ----------------------------------------------------------------------------------------------------
async function fetchCells() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  do {
    again = false;
    const answer = await fetch(`${box.dataset.cells}?after=${after}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) break;
    const got = await answer.json();
    after = got.after;
    again ||= got.more;
    got.cell.forEach((cell, k) => {
      if (got.ok[k] < 0) {
        refused += 1;
        return;
      }
      numbers.push(cell);
      places.push(decode(cell));
      feasible.push(got.ok[k] === 1);
      for (const { name } of figures) values[name].push(got.values[name][k]);
    });
    if (numbers.length !== drawn || !numbers.length) draw();
  } while (again);
  fetching = false;
}

/** Words for the time left; null until something was done while this page looked on. */
function left({ done, total }) {
  const now = performance.now();
  seen = [...seen.filter(([at]) => now - at < RATE_MS), [now, done]];
  const [at, before] = seen[0];
  return done > before ? duration(((total - done) * (now - at)) / (done - before) / 1000) : null;
}

function show(progress) {
  const words = left(progress);
  if (words && find("time-left")) find("time-left").textContent = words;
  find("bar").value = progress.done;
  find("cells-done").textContent = count.format(progress.done);
  if (progress.best) find("best-value").textContent = progress.best.objective.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  if (progress.state !== state) {
    state = progress.state;
    refresh("sweep-head");
  }
  if (progress.chunks_done > after) {
    fetchCells();
    refresh("best");
  }
}

async function ask() {
  const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.ok) show(await answer.json());
  else if (answer?.status === 404) location.reload(); // deleted meanwhile
}

async function poll() {
  if (ACTIVE.has(state)) await ask();
  setTimeout(poll, isLive() ? LIVE_POLL_MS : POLL_MS);
}

for (const id of ["map-x", "map-y"]) {
  find(id).addEventListener("change", () => {
    slices();
    draw();
  });
}
find("map-figure").addEventListener("change", draw);
slices();
draw();
fetchCells();
subscribe(box.dataset.topic, (_event, payload) => show(payload), ask);
poll();
