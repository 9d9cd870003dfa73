// The preview: which bars match on prices that one chooses, drawn on a chart; and why, on the bar that one picks.
import { priceChart } from "../charts/price.js";
import { moment, zoneOf } from "../charts/card.js";
import { h } from "./el.js";
import { drawExplained } from "./explained.js";
import { sentenceOf } from "./faults.js";
import { SIDES } from "./model.js";
import { Refused, ask, settled, told, words } from "./talk.js";
import { written } from "./transfer.js";

const FOLLOW_MS = 900;
const POLL_MS = 500;
const ACTIVE = ["queued", "running"];
const MOST_LISTED = 200;
const FIELDS = ["symbol", "source", "timeframe", "start_date", "end_date"];
const REMEMBERED = "builder-preview";
const MARKS = {
  buy: { word: "Buy", below: true, token: "chart-1" },
  sell: { word: "Sell", below: false, token: "chart-2" },
  short: { word: "Short", below: false, token: "chart-5" },
  cover: { word: "Cover", below: true, token: "chart-4" },
};

const part = (id) => document.getElementById(id);

/** What a worker saw on the bars. say(words) while it works; throws Refused where it could not look. */
async function looked(url, body, signal, say) {
  const first = await told("POST", url, body, signal);
  let test = first.body;
  while (ACTIVE.includes(test.state)) {
    say(test.state === "queued" ? "Waiting for a worker…" : "A worker looks at the bars…");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    signal.throwIfAborted();
    test = await ask("GET", first.location, undefined, signal);
  }
  if (test.state === "failed") throw new Refused(422, { code: test.failure_code, message: test.failure_reason, errors: test.failure_faults });
  return test.result;
}

/** urls: {test}. `changed(valid)`: the trees are others now. */
export function startPreview({ store, catalogue, urls, say }) {
  let valid = false;
  let shown = null; // {marks, body, zone, chart, …} of what is on the page
  let explaining = null;

  const asked = () => Object.fromEntries(FIELDS.map((name) => [name, part(`p-${name}`).value.trim()]).filter(([, value]) => value));
  const trees = () => {
    const { name: _name, description: _description, ...rest } = written(store.state);
    return rest;
  };
  function state(text, kind = "soft") {
    part("preview-state").className = kind === "soft" ? "small soft" : `notice notice-${kind}`;
    part("preview-state").textContent = text;
  }

  function faultsAtFields(faults) {
    for (const name of FIELDS) {
      const fault = faults.find((each) => each.path === name);
      part(`p-${name}-error`).textContent = fault ? sentenceOf(fault) : "";
      if (fault) part(`p-${name}`).setAttribute("aria-invalid", "true");
      else part(`p-${name}`).removeAttribute("aria-invalid");
    }
    return faults.filter((each) => !FIELDS.includes(each.path));
  }

  const run = settled(async (signal) => {
    const body = { ...trees(), ...asked() };
    state("Looking at the bars…");
    part("preview-go").setAttribute("aria-disabled", "true");
    try {
      const result = await looked(urls.test, body, signal, state);
      if (signal.aborted) return;
      faultsAtFields([]);
      localStorage.setItem(REMEMBERED, JSON.stringify(asked()));
      show(result, body);
    } catch (error) {
      if (signal.aborted) return;
      const elsewhere = faultsAtFields(error instanceof Refused ? error.errors : []);
      const inTrees = elsewhere.some((fault) => /^(buy|sell|short|cover)_/.test(fault.path));
      state(inTrees ? "The conditions need mending first; what is wrong stands there." : words(error), "bad");
    } finally {
      if (!signal.aborted) part("preview-go").removeAttribute("aria-disabled");
    }
  }, 50);

  function show({ chart, signals, source, synthetic, warmup }, body) {
    const zone = zoneOf(chart.time);
    part("preview").hidden = false;
    const marks = SIDES.filter((side) => signals[side]).flatMap((side) => signals[side].indexes.map((index, i) => ({ index, time: Date.parse(signals[side].times[i]) / 1000, ...MARKS[side] })));
    marks.sort((a, b) => a.index - b.index);
    const onCandles = marks.map((mark) => ({ ...mark, time: chart.time[Math.floor(mark.index / chart.bars_per_candle)], text: mark.word }));
    shown?.chart.remove();
    shown = { marks, body, zone, perCandle: chart.bars_per_candle, times: chart.time };
    shown.chart = priceChart("price", { ...chart, daily: zone.daily, trades: [], trades_total: 0, marks: onCandles }, { onPick: pick }, {});
    const totals = SIDES.filter((side) => signals[side]).map((side) => `${signals[side].count.toLocaleString("en-US")} ${MARKS[side].word.toLowerCase()}`);
    const over = `${chart.bars.toLocaleString("en-US")} bars`;
    const none = !marks.length;
    const needs = `Before its first signal it needs ${warmup.toLocaleString("en-US")} closed bars.`;
    state(none ? `None of these ${over} matches. Loosen a condition, or look at a longer period.` : `On ${over}: ${totals.join(", ")}. ${needs}`, none ? "warn" : "good");
    part("signal-counts").textContent = totals.join(" · ");
    const shared = chart.bars_per_candle > 1 ? ` One candle stands for ${chart.bars_per_candle} bars.` : "";
    part("price-summary").textContent = `${body.symbol.toUpperCase()} (${source}), ${over}: ${totals.join(", ")}.${shared}${synthetic?.length ? " The prices are synthetic." : ""}`;
    list(marks);
    part("explained").replaceChildren(h("p", { class: "soft" }, "Click a bar of the chart, or choose a signal."));
    say(part("preview-state").textContent);
  }

  function list(marks) {
    const newest = marks.slice(-MOST_LISTED).reverse();
    const button = (mark) => h("button", { type: "button", class: "button button-small button-quiet", onClick: () => explain(mark.index, mark.time) }, h("span", { class: "tag", "data-token": mark.token }, mark.word), moment(mark.time, shown.zone));
    part("signals").replaceChildren(...newest.map((mark) => h("li", {}, button(mark))));
    part("signals-note").textContent = marks.length > newest.length ? `The newest ${newest.length} of ${marks.length}.` : "";
    if (!marks.length) part("signals").replaceChildren(h("li", { class: "soft" }, "No bars match."));
  }

  /** A bar of the chart was clicked: a candle of several bars stands for its first signal, or its first bar. */
  function pick(candle) {
    const first = shown.times.indexOf(candle) * shown.perCandle;
    const inside = shown.marks.find((mark) => mark.index >= first && mark.index < first + shown.perCandle);
    explain(inside?.index ?? first, inside?.time ?? candle);
  }

  async function explain(index, time) {
    explaining?.abort();
    explaining = new AbortController();
    const { signal } = explaining;
    const box = part("explained");
    box.replaceChildren(h("p", { class: "soft" }, "Looking at that bar…"));
    try {
      const { explained } = await looked(urls.test, { ...shown.body, explain_at: [index] }, signal, () => {});
      if (signal.aborted) return;
      const { trees, close } = explained[0];
      box.replaceChildren(
        h("p", {}, h("strong", {}, moment(time, shown.zone)), ` · bar of ${shown.body.timeframe} · close ${close.toLocaleString("en-US", { maximumFractionDigits: 4 })}`),
        ...SIDES.filter((side) => trees[side]).flatMap((side) => [h("h3", {}, MARKS[side].word), h("ul", { class: "explained" }, drawExplained(trees[side], catalogue))]),
      );
    } catch (error) {
      if (!signal.aborted) box.replaceChildren(h("p", { class: "loss" }, words(error)));
    }
  }

  const follow = settled(() => run(), FOLLOW_MS);
  part("preview-form").addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!valid) return state("Complete the conditions first.", "warn");
    run();
  }, true);
  startSymbols();
  return {
    changed(nowValid) {
      valid = nowValid;
      if (valid && shown && part("preview-follow").checked) follow();
    },
  };
}

/** The symbol's suggestions, which bring their source along; and what was looked at the last time. */
function startSymbols() {
  const input = part("p-symbol");
  const sources = new Map();
  try {
    for (const [name, value] of Object.entries(JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}"))) if (FIELDS.includes(name)) part(`p-${name}`).value = value;
  } catch {
    localStorage.removeItem(REMEMBERED);
  }
  const suggest = settled(async (signal) => {
    try {
      const { results } = await ask("GET", `${input.dataset.url}?q=${encodeURIComponent(input.value.trim())}`, undefined, signal);
      results.forEach((each) => sources.set(each.symbol, each.source));
      part("p-symbols").replaceChildren(...results.map((each) => h("option", { value: each.symbol }, each.name)));
    } catch {
      part("p-symbols").replaceChildren(); // suggestions only: what is typed is checked when it is looked at
    }
  }, 150);
  input.addEventListener("input", suggest);
  input.addEventListener("focus", suggest);
  input.addEventListener("change", () => {
    const source = sources.get(input.value.trim().toUpperCase());
    if (source) part("p-source").value = source;
  });
}
