// Moving nodes with the mouse: press the grip, pull, let go where the line is. Fingers have the buttons: a drag scrolls.
const START_PX = 5;
const EDGE_PX = 90; // near the top bar and the bottom of the window it scrolls
const SCROLL_PX = 10;

/** Where a node would go if it were dropped here: {group, at, mark: the element the line stands before, or null for the end}. */
function dropAt(tree, x, y, moving) {
  const under = document.elementFromPoint(x, y)?.closest("[data-node]");
  if (!under || !tree.contains(under) || moving.contains(under)) return null;
  const list = under.querySelector(":scope > .children");
  const box = under.getBoundingClientRect();
  // over a condition, or over the first or the last pixels of a group: beside it; else into the group
  const beside = under.parentElement.closest(".children");
  const rim = list ? 14 : box.height / 2;
  if (beside && (y < box.top + rim || y > box.bottom - rim)) {
    const siblings = [...beside.children].filter((child) => child.dataset.node);
    const at = siblings.indexOf(under) + (y < box.top + box.height / 2 ? 0 : 1);
    return { group: beside.dataset.group, at, list: beside, mark: siblings[at] ?? null };
  }
  if (!list) return null;
  const members = [...list.children].filter((child) => child.dataset.node);
  const found = members.findIndex((child) => y < child.getBoundingClientRect().top + child.offsetHeight / 2);
  const at = found < 0 ? members.length : found;
  return { group: list.dataset.group, at, list, mark: members[at] ?? null };
}

/** tree: the element that holds the drawn tree; onDrop(nodeId, groupId, index). */
export function startDragging(tree, onDrop) {
  const line = document.createElement("li");
  line.className = "drop-line";
  line.setAttribute("aria-hidden", "true");
  let held = null; // {id, node, x, y, moving, to}

  function end(event) {
    if (!held) return;
    const { id, to, moving, node } = held;
    held = null;
    line.remove();
    node.classList.remove("dragged");
    tree.classList.remove("dragging");
    if (moving && to && event?.type === "pointerup") onDrop(id, to.group, to.at);
  }

  tree.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest("[data-grip]");
    if (!grip || event.button !== 0 || event.pointerType === "touch") return;
    held = { id: grip.dataset.grip, node: grip.closest("[data-node]"), x: event.clientX, y: event.clientY, moving: false, to: null };
  });
  function point() {
    held.to = dropAt(tree, held.x, held.y, held.node);
    if (held.to) held.to.list.insertBefore(line, held.to.mark);
    else line.remove();
  }

  /** While the pointer rests near an edge of the window, the page goes on scrolling. */
  function scroll() {
    if (!held) return;
    const way = held.y < EDGE_PX ? -SCROLL_PX : held.y > innerHeight - EDGE_PX ? SCROLL_PX : 0;
    if (way) {
      scrollBy(0, way);
      point();
    }
    requestAnimationFrame(scroll);
  }

  document.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (!held.moving) {
      if (Math.hypot(event.clientX - held.x, event.clientY - held.y) < START_PX) return;
      held.moving = true;
      held.node.classList.add("dragged");
      tree.classList.add("dragging");
      requestAnimationFrame(scroll);
    }
    event.preventDefault();
    [held.x, held.y] = [event.clientX, event.clientY];
    point();
  });
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held) end();
  });
}
