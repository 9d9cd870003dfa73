// Draws a tree: groups as nested lists, conditions as cards; each with its buttons, its errors and its place to drag by.
import { h, icon, select } from "./el.js";
import { GROUPS, OPERATORS, isGroup, isTrend } from "./model.js";
import { drawOperand, field } from "./operand.js";
import { canMove } from "./places.js";
import { nodeWords } from "./words.js";

const WAYS = [
  ["up", "Move up", "Alt+ArrowUp", "up"],
  ["down", "Move down", "Alt+ArrowDown", "down"],
  ["in", "Move into the group beside it", "Alt+ArrowRight", "indent"],
  ["out", "Move out of its group", "Alt+ArrowLeft", "outdent"],
];

function button(id, name, symbol, onClick, { disabled = false, shortcut = null } = {}) {
  return h("button", { type: "button", class: "button button-quiet button-icon node-button", id, title: name, "aria-label": name, "aria-keyshortcuts": shortcut, disabled, onClick }, icon(symbol));
}

function grip(page, node, words) {
  return h(
    "button",
    { type: "button", class: "grip", id: `${node.id}-grip`, "data-grip": node.id, "aria-label": `${words}: drag, or press Alt and an arrow key, to move; Delete removes it`, title: "Drag, or Alt + arrow keys" },
    icon("grip"),
  );
}

function tools(page, root, node) {
  const moves = WAYS.map(([way, name, shortcut, symbol]) =>
    button(`${node.id}-${way}`, name, symbol, () => page.move(node.id, way), { disabled: !canMove(root, node.id, way), shortcut }),
  );
  const act = (name, symbol, action) => button(`${node.id}-${action}`, name, symbol, () => page.act(action, node.id));
  return h(
    "div",
    { class: "node-tools", role: "group", "aria-label": "Change its place" },
    moves,
    act("Duplicate", "copy", "duplicate"),
    isGroup(node) ? act("Dissolve the group: its conditions stay", "unwrap", "unwrap") : act("Put into a group of its own", "wrap", "wrap"),
    act("Remove", "trash", "remove"),
  );
}

function held(page, node) {
  const id = `${node.id}-held`;
  const control = h("input", { type: "number", min: 1, step: 1, placeholder: "1", value: node.forBars, autocomplete: "off", onInput: (event) => page.edit(node.id, (own) => { own.forBars = event.target.value; }, id) });
  const made = field(id, "for_bars", "Held for", control, { unit: "bars", help: "It must have been true on so many bars in a row, this one included" });
  made.classList.add("held");
  return made;
}

/** A condition; one that is as it was, and can go where it could, is not drawn anew. */
function drawCondition(page, root, node) {
  const key = JSON.stringify([node, WAYS.map(([way]) => canMove(root, node.id, way))]);
  const known = page.drawn.get(node.id);
  const element = known?.key === key ? known.element : newCondition(page, root, node);
  page.drawn.set(node.id, { key, element });
  return element;
}

function newCondition(page, root, node) {
  const words = nodeWords(node, page.catalogue);
  const change = (fn, typing = "") => page.edit(node.id, fn, typing);
  const operator = select({ onChange: (event) => change((own) => { own.condition = event.target.value; }) }, OPERATORS, node.condition);
  const operand = (place, label) => drawOperand(page, node, { place, label }, change);
  const bars = () => {
    const id = `${node.id}-bars`;
    const control = h("input", { type: "number", min: 1, step: 1, value: node.bars, autocomplete: "off", onInput: (event) => change((own) => { own.bars = event.target.value; }, id) });
    return h("fieldset", { class: "operand" }, h("legend", { class: "visually-hidden" }, "Over"), h("div", { class: "operand-parts" }, field(id, "bars", "Over", control, { unit: "bars" })));
  };
  const others = node.condition === "between" ? [operand("low", "From"), operand("high", "To")] : isTrend(node) ? [bars()] : [operand("right", "Compared with")];
  return h(
    "li",
    { class: "node condition", id: node.id, "data-node": node.id },
    h("div", { class: "node-head" }, grip(page, node, words), h("span", { class: "node-words" }, words), tools(page, root, node)),
    h(
      "div",
      { class: "node-body" },
      operand("left", "This"),
      h("div", { class: "operator" }, field(`${node.id}-condition`, "condition", "Does what", operator), held(page, node)),
      h("div", { class: "others" }, others),
    ),
    h("p", { class: "field-error node-error", id: `${node.id}-error` }),
  );
}

function adders(page, node) {
  return h(
    "div",
    { class: "row adders" },
    h("button", { type: "button", class: "button button-small", id: `${node.id}-add`, onClick: () => page.add(node.id, "condition") }, icon("plus"), "Condition"),
    h("button", { type: "button", class: "button button-small", id: `${node.id}-add-group`, onClick: () => page.add(node.id, "group") }, icon("plus"), "Group"),
  );
}

export function drawGroup(page, root, node = root) {
  const isRoot = node === root;
  const id = `${node.id}-type`;
  const kind = select({ id, onChange: (event) => page.edit(node.id, (own) => { own.type = event.target.value; }) }, GROUPS, node.type);
  const children = node.children.map((child) => (isGroup(child) ? drawGroup(page, root, child) : drawCondition(page, root, child)));
  return h(
    isRoot ? "div" : "li",
    { class: isRoot ? "node group-node root" : "node group-node", id: node.id, "data-node": node.id, "data-type": node.type },
    h(
      "div",
      { class: "node-head" },
      isRoot ? null : grip(page, node, nodeWords(node, page.catalogue)),
      h("div", { class: "field group-type" }, h("label", { for: id, class: "visually-hidden" }, isRoot ? "How the conditions are combined" : "How this group's conditions are combined"), kind),
      held(page, node),
      isRoot ? null : tools(page, root, node),
    ),
    h("p", { class: "field-error node-error", id: `${node.id}-error` }),
    h("ol", { class: "children", "data-group": node.id, "aria-label": nodeWords(node, page.catalogue) }, children),
    children.length ? null : h("p", { class: "soft small nothing" }, isRoot ? "Nothing here yet: no signal of this kind is ever given." : "An empty group. Add a condition, or drag one in."),
    adders(page, node),
  );
}
