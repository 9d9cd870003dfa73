// Puts what the server says is wrong to the node and the field that it belongs to.
import { follow } from "./places.js";

const PATH = /^\$?\.?(?:strategy_parameters\.)?(buy|sell|short|cover)(?:_conditions)?(?=[.[]|$)\.?/;

/** {side, node, field} of a fault's path; null where it is about no tree. */
export function placeOf(path, trees) {
  const found = PATH.exec(path);
  if (!found) return null;
  const steps = path.slice(found[0].length).split(".").filter(Boolean);
  const { node, rest } = follow(trees[found[1]], steps);
  return { side: found[1], node, field: rest.join(".") };
}

export const sentenceOf = ({ message, hint }) => [message, hint].filter(Boolean).map((part) => `${part.replace(/\.$/, "")}.`).join(" ");

/** Shows the faults of the tree that is drawn in `box`, and takes away those of before. */
export function showFaults(box, faults, trees, side) {
  for (const old of box.querySelectorAll(".field-error:not(:empty)")) old.textContent = "";
  for (const control of box.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  for (const node of box.querySelectorAll(".faulty, .field-faulty")) node.classList.remove("faulty", "field-faulty");
  for (const fault of faults) {
    const at = placeOf(fault.path, trees);
    if (at?.side !== side) continue;
    const element = document.getElementById(at.node.id);
    element?.classList.add("faulty");
    const field = [...(element?.querySelectorAll("[data-path]") ?? [])].find((each) => each.dataset.path === at.field && each.closest("[data-node]") === element);
    const error = field?.querySelector(".field-error") ?? document.getElementById(`${at.node.id}-error`);
    if (!error || error.textContent) continue;
    error.textContent = sentenceOf(fault);
    field?.classList.add("field-faulty");
    field?.querySelector("input, select")?.setAttribute("aria-invalid", "true");
    const closed = field?.closest("details:not([open])");
    if (closed) closed.open = true;
  }
}

/** How many faults each tree has. */
export function counts(faults, trees) {
  const found = {};
  for (const fault of faults) {
    const at = placeOf(fault.path, trees);
    if (at) found[at.side] = (found[at.side] ?? 0) + 1;
  }
  return found;
}
