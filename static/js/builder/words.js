// Conditions in a few words, for names of controls and for what is being dragged. The sentence of a tree is the server's.
import { GROUPS, OPERATORS, isGroup, isTrend } from "./model.js";

export const TIMEFRAMES = [["", "Bars of the run"], ["1m", "1 minute"], ["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "1 hour"], ["4h", "4 hours"], ["1d", "1 day"]];

export function operandWords(operand, catalogue) {
  if (operand.kind === "value") return operand.value || "?";
  const declared = catalogue.get(operand.name);
  const numbers = Object.values(operand.params).filter((text) => text !== "" && Number.isFinite(Number(text)));
  const name = operand.kind === "price" ? operand.name : `${declared.short}${numbers.length ? `(${numbers.join(", ")})` : ""}`;
  const line = declared?.outputs.length > 1 ? ` ${declared.outputs.find((output) => output.name === operand.output)?.label.toLowerCase() ?? ""}` : "";
  const frame = operand.timeframe ? ` on ${operand.timeframe} bars` : "";
  const ago = operand.barsAgo && operand.barsAgo !== "0" ? ` ${operand.barsAgo} bars ago` : "";
  return `${name}${line}${frame}${ago}`;
}

export function nodeWords(node, catalogue) {
  if (isGroup(node)) return `${new Map(GROUPS).get(node.type).toLowerCase()} ${node.children.length}`;
  const words = (place) => operandWords(node[place], catalogue);
  const verb = new Map(OPERATORS).get(node.condition);
  if (isTrend(node)) return `${words("left")} ${verb} over ${node.bars || "?"} bars`;
  if (node.condition === "between") return `${words("left")} ${verb} ${words("low")} and ${words("high")}`;
  return `${words("left")} ${verb} ${words("right")}`;
}
