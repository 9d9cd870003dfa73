// Where nodes are, and moving them: all functions change the tree they are given.
import { copied, group, isGroup } from "./model.js";

/** {node, parent, index} of a node below the root (the root itself has no parent); null where it is not. */
export function find(root, id) {
  if (root.id === id) return { node: root, parent: null, index: 0 };
  for (const [index, node] of (root.children ?? []).entries()) {
    if (node.id === id) return { node, parent: root, index };
    const deeper = isGroup(node) ? find(node, id) : null;
    if (deeper) return deeper;
  }
  return null;
}

/** The node of a JSON path below the root (["children[0]", "left", "period"]), and what is left of the path. */
export function follow(root, steps) {
  let node = root;
  let used = 0;
  for (const step of steps) {
    const found = /^children\[(\d+)\]$/.exec(step);
    if (!found || !node.children?.[Number(found[1])]) break;
    node = node.children[Number(found[1])];
    used += 1;
  }
  return { node, rest: steps.slice(used) };
}

export function remove(root, id) {
  const { parent, index } = find(root, id);
  parent.children.splice(index, 1);
  return (parent.children[index] ?? parent.children[index - 1] ?? parent).id; // what is at hand then
}

export function duplicate(root, id) {
  const { node, parent, index } = find(root, id);
  const copy = copied(node);
  parent.children.splice(index + 1, 0, copy);
  return copy.id;
}

/** Puts a node into a group of its own, to which more can be added. */
export function wrap(root, id) {
  const { node, parent, index } = find(root, id);
  const made = group(parent.type === "and" ? "or" : "and", [node]);
  parent.children[index] = made;
  return made.id;
}

/** Puts the members of a group in the group's own place. */
export function unwrap(root, id) {
  const { node, parent, index } = find(root, id);
  parent.children.splice(index, 1, ...node.children);
  return (node.children[0] ?? parent).id;
}

/** Moves a node to a place in a group; false where that is inside the node itself. */
export function place(root, id, groupId, at) {
  const { node, parent, index } = find(root, id);
  if (!parent || find(node, groupId)) return false;
  const target = find(root, groupId).node;
  const to = target === parent && at > index ? at - 1 : at;
  if (target === parent && to === index) return false;
  parent.children.splice(index, 1);
  target.children.splice(to, 0, node);
  return true;
}

const MOVES = {
  up: ({ parent, index }, above) => (index ? [parent.id, index - 1] : above && [above.parent.id, above.index]),
  down: ({ parent, index }, above) => (index < parent.children.length - 1 ? [parent.id, index + 2] : above && [above.parent.id, above.index + 1]),
  out: (_here, above) => above && [above.parent.id, above.index + 1],
  in: ({ parent, index }) => {
    const [before, after] = [parent.children[index - 1], parent.children[index + 1]];
    if (before && isGroup(before)) return [before.id, before.children.length];
    return after && isGroup(after) && [after.id, 0];
  },
};

function target(root, id, way) {
  const here = find(root, id);
  if (!here?.parent) return null;
  const above = find(root, here.parent.id);
  return MOVES[way](here, above.parent ? above : null) || null;
}

/** Whether a node can go "up", "down", "in" (the group beside it) or "out" (of its group). At an end, up and down leave the group. */
export const canMove = (root, id, way) => target(root, id, way) !== null;

export function move(root, id, way) {
  const to = target(root, id, way);
  return to !== null && place(root, id, ...to);
}
