// The tree on the page: drawn anew after each change of its shape, with the focus kept where it was.
import { startDragging } from "./drag.js";
import { showFaults } from "./faults.js";
import { SIDES, comparison, conditions, constant, group, indicator, price } from "./model.js";
import { drawGroup } from "./node.js";
import { kinds } from "./operand.js";
import { canMove, duplicate, find, move, place, remove, unwrap, wrap } from "./places.js";
import { nodeWords } from "./words.js";

const ACTS = { duplicate, remove, wrap, unwrap };
const WORDS = { duplicate: "Duplicated", remove: "Removed", wrap: "Put into a group", unwrap: "Group dissolved" };
const MOVED = { up: "Moved up", down: "Moved down", in: "Moved into a group", out: "Moved out of its group" };

/** box: where the tree is drawn; tabs: the tab buttons (data-side); say(words): told to screen readers. */
export function startEditor({ box, tabs, store, catalogue, say, readOnly = false }) {
  let side = "buy";
  let faults = [];
  const tree = () => store.state.trees[side];

  function focus(id, otherwise) {
    (document.getElementById(id) ?? document.getElementById(otherwise))?.focus();
  }

  const page = {
    catalogue,
    kinds: kinds(catalogue),
    drawn: new Map(), // conditions that were drawn: id → {key, element}
    edit(id, fn, field = "") {
      page.drawn.delete(id); // what is typed stands in it now
      store.change((state) => fn(find(state.trees[side], id).node), field);
    },
    add(groupId, what) {
      let made = "";
      store.change((state) => {
        const first = catalogue.get("rsi") ?? [...catalogue.values()][0];
        const node = what === "group" ? group("or") : comparison(first ? indicator(first) : price(), "below", constant("30"));
        made = node.id;
        find(state.trees[side], groupId).node.children.push(node);
      });
      say(what === "group" ? "Group added" : "Condition added");
      focus(what === "group" ? `${made}-type` : `${made}-left`);
    },
    act(name, id) {
      let at = "";
      store.change((state) => {
        at = ACTS[name](state.trees[side], id);
      });
      say(WORDS[name]);
      focus(`${at}-grip`, `${at}-add`);
    },
    move(id, way) {
      if (!canMove(tree(), id, way)) return say("It cannot go further that way");
      const focused = document.activeElement?.id;
      store.change((state) => move(state.trees[side], id, way));
      const now = document.getElementById(focused);
      if (!now || now.disabled) focus(`${id}-grip`);
      say(MOVED[way]);
    },
  };

  function draw() {
    const focused = document.activeElement?.id;
    const selection = box.contains(document.activeElement) ? [document.activeElement.selectionStart, document.activeElement.selectionEnd] : null;
    const open = new Set([...box.querySelectorAll("details[data-keep][open]")].map((each) => each.dataset.keep));
    box.replaceChildren(drawGroup(page, tree()));
    for (const each of box.querySelectorAll("details[data-keep]")) if (open.has(each.dataset.keep)) each.open = true;
    if (readOnly) for (const control of box.querySelectorAll("input, select, button")) control.disabled = true;
    mark();
    const again = selection && document.getElementById(focused);
    if (again) {
      again.focus({ preventScroll: true });
      if (selection[0] !== null && selection[0] !== undefined && again.setSelectionRange) again.setSelectionRange(...selection);
    }
  }

  function mark() {
    showFaults(box, faults, store.state.trees, side);
  }

  /** Words that name a node follow what is typed without drawing it anew. */
  function rename() {
    for (const element of box.querySelectorAll(".condition")) {
      const found = find(tree(), element.dataset.node);
      const words = nodeWords(found.node, catalogue);
      element.querySelector(".node-words").textContent = words;
      element.querySelector("[data-grip]").setAttribute("aria-label", `${words}: drag, or press Alt and an arrow key, to move; Delete removes it`);
    }
  }

  function showTab(chosen, { focused = false } = {}) {
    side = chosen;
    for (const tab of tabs) {
      const on = tab.dataset.side === side;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on) box.setAttribute("aria-labelledby", tab.id);
      if (on && focused) tab.focus();
    }
    draw();
  }

  function count() {
    for (const tab of tabs) {
      const amount = conditions(store.state.trees[tab.dataset.side]);
      tab.querySelector("[data-count]").textContent = amount ? `(${amount})` : "";
    }
  }

  for (const tab of tabs) {
    tab.addEventListener("click", () => showTab(tab.dataset.side));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || event.altKey) return;
      event.preventDefault();
      showTab(SIDES[(SIDES.indexOf(side) + step + SIDES.length) % SIDES.length], { focused: true });
    });
  }
  if (!readOnly) {
    startDragging(box, (id, groupId, at) => {
      store.change((state) => place(state.trees[side], id, groupId, at));
      say("Moved");
      focus(`${id}-grip`);
    });
  }
  store.listen(({ typing }) => {
    count();
    if (typing) rename();
    else draw();
  });
  count();
  showTab(side);
  return {
    move: page.move,
    remove: (id) => page.act("remove", id),
    showTab,
    /** What the server found wrong; `byTab`: how many in each tree. */
    setFaults(found, byTab) {
      faults = found;
      mark();
      for (const tab of tabs) {
        const wrong = byTab[tab.dataset.side] ?? 0;
        tab.querySelector("[data-wrong]").textContent = wrong ? `${wrong} to mend` : "";
      }
    },
  };
}
