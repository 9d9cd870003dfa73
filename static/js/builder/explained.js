// A tree as it was on one bar: each node with its numbers, and whether it held, in a word and a sign.
import { h, icon } from "./el.js";
import { GROUPS, OPERATORS, isGroup, isTrend } from "./model.js";
import { rawWords } from "./words.js";

const TRUTHS = { true: ["pill pill-good", "check", "true"], false: ["pill", "close", "false"], null: ["pill pill-warn", "clock", "not known yet"] };
const figure = (value) => (value === null || value === undefined ? "not known yet" : Number(value).toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 10 ? 4 : 2 }));

function side(raw, catalogue) {
  if (!("price" in raw) && !("indicator" in raw)) return [h("strong", {}, figure(raw.value))];
  const before = "before" in raw ? ` (before: ${figure(raw.before)})` : "";
  return [`${rawWords(raw, catalogue)} `, h("strong", {}, figure(raw.value)), before];
}

function sentence(node, catalogue) {
  const verb = ` ${new Map(OPERATORS).get(node.condition)} `;
  const held = node.for_bars > 1 ? `, for ${node.for_bars} bars` : "";
  if (isTrend(node)) return [side(node.left, catalogue), `${verb}over ${node.bars ?? 1} bars${held}`];
  if (node.condition === "between") return [side(node.left, catalogue), verb, side(node.low, catalogue), " and ", side(node.high, catalogue), held];
  return [side(node.left, catalogue), verb, side(node.right, catalogue), held];
}

/** node: a node of an explanation ({…, "is": true, false or null, operands with "value"}). */
export function drawExplained(node, catalogue) {
  const [kind, symbol, word] = TRUTHS[node.is];
  const truth = h("span", { class: kind }, icon(symbol), word);
  const words = isGroup(node) ? `${new Map(GROUPS).get(node.type)} these${node.for_bars > 1 ? `, for ${node.for_bars} bars` : ""}` : sentence(node, catalogue);
  const children = isGroup(node) ? h("ul", {}, node.children.map((child) => drawExplained(child, catalogue))) : null;
  return h("li", {}, h("div", { class: "explained-node" }, truth, h("span", {}, words)), children);
}
