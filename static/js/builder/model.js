// Trees as the page holds them: what the API takes (docs/conditions.md), with an id on every node, and numbers as they
// were typed, so that half a number is kept and shown with what is wrong with it.

export const SIDES = ["buy", "sell", "short", "cover"];
export const PRICES = ["open", "high", "low", "close", "volume"];
export const OPERATORS = [
  ["above", "is above"],
  ["below", "is below"],
  ["crosses_above", "crosses above"],
  ["crosses_below", "crosses below"],
  ["between", "is between"],
  ["rising", "is rising"],
  ["falling", "is falling"],
];
export const GROUPS = [
  ["and", "All of"],
  ["or", "Any of"],
  ["not", "None of"],
];
export const isGroup = (node) => node.type !== "compare";
export const isTrend = (node) => node.condition === "rising" || node.condition === "falling";

let drawn = 0;
const fresh = () => `n${++drawn}`;
const typed = (value) => (value === null || value === undefined ? "" : String(value));

/** What a typed number is in JSON: nothing for an empty field, and for what is no number the text, for the server to refuse. */
function number(text) {
  const trimmed = text.trim();
  if (!trimmed) return undefined;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

export const group = (type = "and", children = []) => ({ id: fresh(), type, children, forBars: "" });
export const price = (field = "close") => ({ kind: "price", name: field, params: {}, output: "", timeframe: "", barsAgo: "" });
export const constant = (value = "0") => ({ kind: "value", value });

export function indicator(declared) {
  const params = Object.fromEntries(declared.params.map((param) => [param.name, typed(param.default)]));
  return { kind: "indicator", name: declared.name, params, output: declared.outputs.length > 1 ? declared.outputs[0].name : "", timeframe: "", barsAgo: "" };
}

export function comparison(left, condition = "above", right = constant()) {
  return { id: fresh(), type: "compare", left, condition, right, low: constant(), high: constant("100"), bars: "1", forBars: "" };
}

export const emptyTrees = () => Object.fromEntries(SIDES.map((side) => [side, group()]));

/** A copy of a node and all below it, with ids of its own. */
export function copied(node) {
  const copy = structuredClone(node);
  const rename = (each) => {
    each.id = fresh();
    each.children?.forEach(rename);
  };
  rename(copy);
  return copy;
}

// --- from and to the API's form -----------------------------------------------------------------------------------------

function readOperand(raw, catalogue) {
  if ("value" in raw) return constant(typed(raw.value));
  const shared = { timeframe: raw.timeframe ?? "", barsAgo: typed(raw.bars_ago || "") };
  if ("price" in raw) return { ...price(raw.price), ...shared };
  const made = indicator(catalogue.get(raw.indicator));
  for (const name of Object.keys(made.params)) if (name in raw) made.params[name] = typed(raw[name]);
  return { ...made, output: raw.output ?? made.output, ...shared };
}

function readNode(raw, catalogue) {
  const forBars = typed(raw.for_bars > 1 ? raw.for_bars : "");
  if (raw.type !== "compare") return { ...group(raw.type, raw.children.map((child) => readNode(child, catalogue))), forBars };
  const node = { ...comparison(readOperand(raw.left, catalogue), raw.condition), bars: typed(raw.bars ?? 1), forBars };
  for (const place of ["right", "low", "high"]) if (raw[place]) node[place] = readOperand(raw[place], catalogue);
  return node;
}

/** A canonical tree, or null for none. A tree without a group at its top gets one: there the page adds conditions. */
export function readTree(raw, catalogue) {
  if (!raw) return group();
  const root = readNode(raw, catalogue);
  return isGroup(root) ? root : group("and", [root]);
}

function writeOperand(operand) {
  if (operand.kind === "value") return { value: number(operand.value) ?? null };
  const shared = { timeframe: operand.timeframe || undefined, bars_ago: number(operand.barsAgo) };
  if (operand.kind === "price") return { price: operand.name, ...shared };
  const params = Object.entries(operand.params).map(([name, text]) => [name, text === "true" || text === "false" ? text === "true" : (number(text) ?? null)]);
  return { indicator: operand.name, ...Object.fromEntries(params), output: operand.output || undefined, ...shared };
}

function writeNode(node) {
  const held = { for_bars: number(node.forBars) };
  if (isGroup(node)) return { type: node.type, children: node.children.map(writeNode), ...held };
  const needs = node.condition === "between" ? ["low", "high"] : isTrend(node) ? [] : ["right"];
  const others = Object.fromEntries(needs.map((place) => [place, writeOperand(node[place])]));
  return { type: "compare", left: writeOperand(node.left), condition: node.condition, ...others, ...(isTrend(node) ? { bars: number(node.bars) ?? null } : {}), ...held };
}

/** The tree as the API takes it; null where nothing is in it. */
export const writeTree = (root) => (root.children.length ? JSON.parse(JSON.stringify(writeNode(root))) : null);

export const conditions = (root) => (isGroup(root) ? root.children.reduce((sum, child) => sum + conditions(child), 0) : 1);
