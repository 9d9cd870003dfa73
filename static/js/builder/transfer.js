// Trees out of the page as a file, and into it from a file or from pasted text: the server reads them, and says what is wrong.
import { h } from "./el.js";
import { sentenceOf } from "./faults.js";
import { SIDES, writeTree } from "./model.js";
import { Refused, ask, words } from "./talk.js";

const MOST_BYTES = 65_536;

/** What the API takes, and what an export holds. */
export const written = (state) => ({
  name: state.name.trim(),
  description: state.description.trim(),
  ...Object.fromEntries(SIDES.map((side) => [`${side}_conditions`, writeTree(state.trees[side])])),
});

export function download(state) {
  const blob = new Blob([JSON.stringify(written(state), null, 2)], { type: "application/json" });
  const name = state.name.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  const link = h("a", { href: URL.createObjectURL(blob), download: `${name || "strategy"}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A strategy in any form people have one: an export, {buy, sell}, or one tree alone (then it is the buy tree). */
function asRequest(raw) {
  const isTree = Array.isArray(raw) || (raw && typeof raw === "object" && "type" in raw);
  if (isTree) return { buy_conditions: raw };
  if (!raw || typeof raw !== "object") throw new SyntaxError("It is neither a strategy nor a tree of conditions.");
  const known = SIDES.map((side) => [`${side}_conditions`, raw[`${side}_conditions`] ?? raw[side]]).filter(([, tree]) => tree !== undefined);
  if (!known.length) throw new SyntaxError("It holds none of buy_conditions, sell_conditions, short_conditions, cover_conditions.");
  return Object.fromEntries(known);
}

/** dialog: with a textarea, a file field and a list for faults; onTrees(trees by side, name, description) when they are right. */
export function startImport(dialog, validateUrl, onTrees) {
  const [text, file, faults, go] = ["textarea", "input[type=file]", "[data-faults]", "[data-import]"].map((part) => dialog.querySelector(part));
  const say = (lines) => faults.replaceChildren(...lines.map((line) => h("li", {}, line)));

  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    if (!chosen) return;
    say(chosen.size > MOST_BYTES ? [`The file has ${chosen.size.toLocaleString("en-US")} bytes; at most ${MOST_BYTES.toLocaleString("en-US")} are read.`] : []);
    if (chosen.size <= MOST_BYTES) text.value = await chosen.text();
  });
  go.addEventListener("click", async () => {
    if (go.ariaDisabled === "true") return;
    go.ariaDisabled = "true";
    try {
      const raw = JSON.parse(text.value);
      const answer = await ask("POST", validateUrl, asRequest(raw));
      if (!answer.valid) return say(answer.errors.map((fault) => `${fault.path || "$"}: ${sentenceOf(fault)}`));
      onTrees(answer, raw);
      say([]);
      [text.value, file.value] = ["", ""];
      dialog.close();
    } catch (error) {
      if (error instanceof SyntaxError) say([`This is no JSON that could be read: ${error.message}`]);
      else if (error instanceof Refused && error.errors.length) say(error.errors.map((fault) => `${fault.path || "$"}: ${sentenceOf(fault)}`));
      else say([words(error)]);
    } finally {
      go.ariaDisabled = null;
    }
  });
}
