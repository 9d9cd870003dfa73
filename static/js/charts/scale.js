// From a figure to a colour: one hue, pale for the worst and full for the best, so that it can be told without colour.
import { colour } from "../theme.js";

const parts = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);

/** (share: 0 worst … 1 best) → a colour of the page's theme now. */
export function shades() {
  const [low, high] = [parts(colour("surface-raised")), parts(colour("accent"))];
  return (share) => `rgb(${low.map((from, i) => Math.round(from + (high[i] - from) * share)).join(" ")})`;
}

/** Where each value stands between the worst and the best of all; extremes beyond the 2nd and 98th percentile are cut.
    ends: [low, high] where they are known beforehand. cut: whether values lie below and above. */
export function spread(values, better, ends) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (!sorted.length) return { low: null, high: null, cut: [false, false], share: () => null };
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  const [low, high] = ends ?? [at(0.02), at(0.98)];
  const share = (value) => {
    if (value === null) return null;
    const place = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
    return better === "higher" ? place : 1 - place;
  };
  return { low, high, cut: [sorted[0] < low, sorted.at(-1) > high], share };
}

/** A canvas as sharp as the screen; answers its context and its size in CSS pixels. */
export function sharp(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return { context, width, height };
}
