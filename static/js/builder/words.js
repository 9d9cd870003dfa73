// Conditions in a few words, for names of controls and for what is being dragged. The sentence of a tree is the server's.
import { GROUPS, OPERATORS, isGroup, isTrend } from "./model.js";

export const TIMEFRAMES = [["", "Bars of the run"], ["1m", "1 minute"], ["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "1 hour"], ["4h", "4 hours"], ["1d", "1 day"]];

/** "RSI(14)", "the signal line of MACD(12, 26, 9)": an indicator with its numbers, as the sentence has it. */
export function indicatorWords(declared, numbers, output) {
  const name = `${declared.short}${numbers.length ? `(${numbers.join(", ")})` : ""}`;
  const line = declared.outputs.find((each) => each.name === output) ?? declared.outputs[0];
  return declared.outputs.length > 1 && line.name !== declared.name ? `the ${line.name.replaceAll("_", " ")} line of ${name}` : name;
}

const placeWords = (timeframe, barsAgo) => `${timeframe ? ` on ${timeframe}` : ""}${Number(barsAgo) > 0 ? `, ${barsAgo} ${Number(barsAgo) === 1 ? "bar" : "bars"} ago` : ""}`;

export function operandWords(operand, catalogue) {
  if (operand.kind === "value") return operand.value || "?";
  const numbers = Object.values(operand.params).filter((text) => text !== "" && Number.isFinite(Number(text)));
  const name = operand.kind === "price" ? `the ${operand.name}` : indicatorWords(catalogue.get(operand.name), numbers, operand.output);
  return `${name}${placeWords(operand.timeframe, operand.barsAgo)}`;
}

/** The same of an operand as the API has it. */
export function rawWords(raw, catalogue) {
  const declared = catalogue.get(raw.indicator);
  const name = declared ? indicatorWords(declared, declared.params.map((param) => raw[param.name]).filter((value) => typeof value === "number"), raw.output) : `the ${raw.price}`;
  return `${name}${placeWords(raw.timeframe, raw.bars_ago)}`;
}

export function nodeWords(node, catalogue) {
  if (isGroup(node)) return `${new Map(GROUPS).get(node.type).toLowerCase()} ${node.children.length}`;
  const words = (place) => operandWords(node[place], catalogue);
  const verb = new Map(OPERATORS).get(node.condition);
  if (isTrend(node)) return `${words("left")} ${verb} over ${node.bars || "?"} ${node.bars === "1" ? "bar" : "bars"}`;
  if (node.condition === "between") return `${words("left")} ${verb} ${words("low")} and ${words("high")}`;
  return `${words("left")} ${verb} ${words("right")}`;
}
