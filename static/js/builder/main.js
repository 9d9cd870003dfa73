// The builder: puts its parts together. What is built lives in the store; the server says what it means and what is wrong.
import { confirm } from "../dialogs.js";
import { toast } from "../toasts.js";
import { draftOf } from "./draft.js";
import { startEditor } from "./editor.js";
import { h, json } from "./el.js";
import { counts, placeOf, sentenceOf } from "./faults.js";
import { startKeys } from "./keys.js";
import { SIDES, conditions, emptyTrees, readTree } from "./model.js";
import { startPreview } from "./preview.js";
import { startSaving } from "./saving.js";
import { makeStore } from "./store.js";
import { Refused, ask, settled, words } from "./talk.js";
import { download, startImport, written } from "./transfer.js";

const VALIDATE_MS = 400;
const AGAIN_MS = 5000; // after an answer that did not come
const KEEP_MS = 500;
const SIDE_WORDS = { buy: "buy", sell: "sell", short: "sell short", cover: "cover" };

const data = json("builder-data");
const catalogue = new Map(data.indicators.map((declared) => [declared.name, declared]));
const part = (id) => document.getElementById(id);
const say = (text) => {
  part("builder-said").textContent = text;
};

function opened(strategy) {
  const trees = Object.fromEntries(SIDES.map((side) => [side, readTree(strategy?.[`${side}_conditions`], catalogue)]));
  // what was typed before this script was there is kept
  return { name: strategy?.name ?? part("f-name").value, description: strategy?.description ?? part("f-description").value, trees };
}

const store = makeStore(opened(data.strategy));
const clean = () => JSON.stringify(written(store.state));
let saved = clean(); // what the server has, or what an empty page begins with
const draft = draftOf(data.draft_key, data.strategy?.updated_at ?? null);
const dirty = () => clean() !== saved;

const editor = startEditor({
  box: part("tree"),
  tabs: [...document.querySelectorAll("#tree-tabs [role=tab]")],
  store,
  catalogue,
  say,
  readOnly: data.read_only,
});
const preview = startPreview({ store, catalogue, urls: data.urls, say });

// --- what it means, and what is wrong ----------------------------------------------------------------------------------
function showSentences(trees, sentences) {
  const line = (side) => (sentences[side] ? h("p", {}, sentences[side]) : h("p", { class: "soft" }, `When to ${SIDE_WORDS[side]} is not complete yet.`));
  part("sentences").replaceChildren(...SIDES.filter((side) => trees[`${side}_conditions`]).map(line));
}

function showNothing() {
  part("sentences").replaceChildren(h("p", { class: "soft" }, "Add a condition, or start from a template."));
  heard([], false);
}

const validate = settled(async (signal) => {
  const { name: _name, description: _description, ...trees } = written(store.state);
  if (!Object.values(trees).some(Boolean)) return showNothing();
  try {
    const answer = await ask("POST", data.urls.validate, trees, signal);
    if (signal.aborted) return;
    showSentences(trees, answer.sentences);
    heard(answer.errors, answer.valid);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused && error.errors.length) return heard(error.errors, false);
    part("validity").textContent = words(error);
    part("validity").className = "notice notice-warn";
    setTimeout(validate, AGAIN_MS);
  }
}, VALIDATE_MS);

function heard(faults, valid) {
  const { trees } = store.state;
  editor.setFaults(faults, counts(faults, trees));
  const elsewhere = faults.filter((fault) => !placeOf(fault.path, trees));
  const amount = faults.length === 1 ? "One thing to mend; it stands where it belongs." : `${faults.length} things to mend; each stands where it belongs.`;
  const told = faults.length ? amount : valid ? "The conditions are complete." : "There is nothing to check yet.";
  part("validity").className = faults.length ? "notice notice-bad" : valid ? "notice notice-good" : "notice";
  part("validity").replaceChildren(h("div", {}, told, elsewhere.length ? h("ul", {}, elsewhere.map((fault) => h("li", {}, sentenceOf(fault)))) : null));
  preview.changed(valid);
}

// --- saving, drafts, undo ------------------------------------------------------------------------------------------------
const saving = startSaving({
  store,
  data,
  faults: (found) => heard(found, false),
  done: () => {
    saved = clean();
    keep.stop();
    draft.drop();
  },
});

const keep = settled(() => {
  const state = part("draft-state");
  if (!dirty()) {
    draft.drop();
    state.textContent = "";
  } else if (draft.keep(written(store.state))) state.textContent = data.strategy ? "Not saved yet; the draft is kept in this browser" : "Draft kept in this browser";
  else state.textContent = "This browser keeps no drafts: save before you leave";
}, KEEP_MS);

function showFields() {
  for (const name of ["name", "description"]) if (part(`f-${name}`).value !== store.state[name]) part(`f-${name}`).value = store.state[name];
  part("undo").disabled = !store.canUndo;
  part("redo").disabled = !store.canRedo;
}

let looked = ""; // at these trees; a name is nothing to check
store.listen(() => {
  const trees = JSON.stringify(store.state.trees);
  if (trees !== looked) validate();
  looked = trees;
  showFields();
  keep();
  saving.changed();
});
for (const name of ["name", "description"]) {
  part(`f-${name}`).addEventListener("input", (event) => store.change((state) => { state[name] = event.target.value; }, `f-${name}`));
}
const undo = () => say(store.undo() ? "Undone" : "Nothing to undo");
const redo = () => say(store.redo() ? "Done again" : "Nothing to do again");
part("undo").addEventListener("click", undo);
part("redo").addEventListener("click", redo);
if (!data.read_only) startKeys(part("tree"), { move: editor.move, remove: editor.remove, undo, redo });

addEventListener("beforeunload", (event) => {
  if (data.may_save && !saving.leaving && dirty()) event.preventDefault();
});

// --- import, export, templates ---------------------------------------------------------------------------------------------
function replaceTrees(canonical, named = {}) {
  store.change((state) => {
    state.trees = emptyTrees();
    for (const side of SIDES) if (canonical[`${side}_conditions`]) state.trees[side] = readTree(canonical[`${side}_conditions`], catalogue);
    for (const name of ["name", "description"]) if (typeof named[name] === "string" && !state[name]) state[name] = named[name].slice(0, name === "name" ? 120 : 2000);
  });
  editor.showTab(SIDES.find((side) => conditions(store.state.trees[side])) ?? "buy");
}

part("export").addEventListener("click", () => download(store.state));
startImport(part("import-dialog"), data.urls.validate, (canonical, raw) => {
  replaceTrees(canonical, raw);
  toast("Imported. Undo takes it back.", "success");
});
part("starters").addEventListener("click", async (event) => {
  const chosen = event.target.closest("[data-starter]");
  if (!chosen) return;
  const starter = data.starters.find((each) => each.slug === chosen.dataset.starter);
  part("starters-dialog").close();
  const built = SIDES.some((side) => conditions(store.state.trees[side]));
  if (built && !(await confirm({ title: "Start over from this template?", text: "It takes the place of the conditions that are there. Undo brings them back.", action: "Use the template" }))) return;
  replaceTrees(starter, { name: starter.label, description: starter.description });
  say(`Template ${starter.label} is in place`);
});

// --- the first look ------------------------------------------------------------------------------------------------------------
function found() {
  const left = data.read_only ? null : draft.load();
  if (!left?.content) return;
  try {
    const state = opened(left.content);
    if (JSON.stringify(written(state)) === saved) return;
    store.change((now) => Object.assign(now, state));
  } catch {
    draft.drop(); // of another release, whose indicators are not these
    return;
  }
  const notice = part("draft-found");
  notice.hidden = false;
  notice.querySelector("[data-stale]").hidden = left.seen === (data.strategy?.updated_at ?? null);
  notice.querySelector("button").addEventListener("click", () => {
    store.change((state) => Object.assign(state, opened(data.strategy ?? { name: "", description: "" })));
    draft.drop();
    notice.hidden = true;
  });
}

part("builder-wait").remove();
part("builder").hidden = false;
if (data.strategy) showSentences(data.strategy, data.strategy.sentences);
else showNothing();
showFields();
validate();
found();
