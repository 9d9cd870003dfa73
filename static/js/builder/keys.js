// The keyboard: Alt and an arrow move what has the focus, Delete on a grip removes it, Ctrl Z and Ctrl Shift Z go back and forth.
const WAYS = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "in", ArrowLeft: "out" };

/** tree: the element that holds the drawn tree; actions: {move(id, way), remove(id), undo(), redo()}. */
export function startKeys(tree, actions) {
  tree.addEventListener("keydown", (event) => {
    const node = event.target.closest("[data-node]");
    if (event.altKey && !event.ctrlKey && !event.metaKey && event.key in WAYS && node) {
      event.preventDefault(); // Alt and left would leave the page
      actions.move(node.dataset.node, WAYS[event.key]);
    } else if (event.key === "Delete" && event.target.dataset.grip) {
      event.preventDefault();
      actions.remove(event.target.dataset.grip);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("#preview-form")) return; // its fields are not what is being built
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) actions.redo();
    else actions.undo();
  });
}
