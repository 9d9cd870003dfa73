// One side of a comparison: a price, a number, or an indicator with the parameters, lines and bounds that it declares.
import { h, select } from "./el.js";
import { PRICES, constant, indicator, price } from "./model.js";
import { TIMEFRAMES } from "./words.js";

const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** What an operand can be, as the choices of a select. */
export const kinds = (catalogue) => [
  { label: "Price", choices: PRICES.map((name) => [`price:${name}`, capital(name)]) },
  { label: "Number", choices: [["value:", "A number"]] },
  { label: "Indicator", choices: [...catalogue.values()].map((declared) => [`indicator:${declared.name}`, declared.label]) },
];

/** What was picked; what can be kept of the old one (timeframe, bars ago, parameters of the same name) is kept. */
function picked(chosen, old, catalogue) {
  const [kind, name] = chosen.split(":");
  if (kind === "value") return constant(old.kind === "value" ? old.value : "0");
  const shared = { timeframe: old.timeframe ?? "", barsAgo: old.barsAgo ?? "" };
  if (kind === "price") return { ...price(name), ...shared };
  const made = indicator(catalogue.get(name));
  for (const key of Object.keys(made.params)) if (old.params?.[key] !== undefined && key !== "source") made.params[key] = old.params[key];
  return { ...made, ...shared };
}

/** A field with its label, its error's place, and bounds in its help. `path`: where the server says its faults. */
export function field(id, path, label, control, { unit = "", help = "" } = {}) {
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-error`);
  if (help) control.title = help;
  return h(
    "div",
    { class: "field", "data-path": path },
    h("label", { for: id }, label, unit ? h("span", { class: "field-unit" }, ` (${unit})`) : null),
    control,
    h("span", { class: "field-error", id: `${id}-error` }),
  );
}

function parameter(id, path, declared, value, set) {
  const bounds = declared.min === null ? "" : `From ${declared.min} to ${declared.max}`;
  const help = [declared.help, bounds].filter(Boolean).join(". ");
  const choices = declared.type === "bool" ? [["true", "yes"], ["false", "no"]] : declared.choices?.map((choice) => [choice.value, choice.label]);
  const control = choices
    ? select({ onChange: (event) => set(event.target.value, false) }, choices, value)
    : h("input", { type: "number", min: declared.min, max: declared.max, step: declared.type === "int" ? declared.step : "any", value, autocomplete: "off", onInput: (event) => set(event.target.value, true) });
  return field(id, path, declared.label, control, { unit: declared.unit, help });
}

/**
 * page: {catalogue, kinds}; where: {id of the node, place ("left"), label}; change(fn, field): fn gets the node.
 * Returns the fieldset; redraws are the page's business.
 */
export function drawOperand(page, node, where, change) {
  const operand = node[where.place];
  const key = `${node.id}-${where.place}`;
  const set = (fn, typing = "") => change((held) => fn(held[where.place], held), typing);
  const chosen = operand.kind === "value" ? "value:" : `${operand.kind}:${operand.name}`;
  const kind = select(
    { onChange: (event) => change((held) => { held[where.place] = picked(event.target.value, held[where.place], page.catalogue); }) },
    page.kinds,
    chosen,
  );
  const first = field(key, where.place, where.label, kind);
  first.classList.add("field-wide");
  const parts = [first];
  if (operand.kind === "value") {
    const control = h("input", { type: "number", step: "any", value: operand.value, autocomplete: "off", onInput: (event) => set((held) => { held.value = event.target.value; }, `${key}-value`) });
    parts.push(field(`${key}-value`, `${where.place}.value`, "Number", control));
  }
  const declared = operand.kind === "indicator" ? page.catalogue.get(operand.name) : null;
  for (const param of declared?.params ?? []) {
    const id = `${key}-${param.name}`;
    parts.push(parameter(id, `${where.place}.${param.name}`, param, operand.params[param.name], (value, typing) => set((held) => { held.params[param.name] = value; }, typing ? id : "")));
  }
  if (declared?.outputs.length > 1) {
    const control = select({ onChange: (event) => set((held) => { held.output = event.target.value; }) }, declared.outputs.map((output) => [output.name, output.label]), operand.output);
    parts.push(field(`${key}-output`, `${where.place}.output`, "Line", control));
  }
  const shift = operand.kind === "value" ? null : drawShift(operand, key, where, set);
  return h("fieldset", { class: "operand" }, h("legend", { class: "visually-hidden" }, where.label), h("div", { class: "operand-parts" }, parts), shift);
}

/** Which bars it is read from: those of another timeframe, or earlier ones. Closed unless something is set. */
function drawShift(operand, key, where, set) {
  const frame = select({ onChange: (event) => set((held) => { held.timeframe = event.target.value; }) }, TIMEFRAMES, operand.timeframe);
  const ago = h("input", { type: "number", min: 0, step: 1, placeholder: "0", value: operand.barsAgo, autocomplete: "off", onInput: (event) => set((held) => { held.barsAgo = event.target.value; }, `${key}-ago`) });
  return h(
    "details",
    { class: "shift", open: Boolean(operand.timeframe || operand.barsAgo), "data-keep": `${key}-shift` },
    h("summary", {}, "Timeframe, bars ago"),
    h(
      "div",
      { class: "operand-parts" },
      field(`${key}-frame`, `${where.place}.timeframe`, "Read on", frame, { help: "A coarser timeframe is read from its last closed bar" }),
      field(`${key}-ago`, `${where.place}.bars_ago`, "Bars ago", ago),
    ),
  );
}
