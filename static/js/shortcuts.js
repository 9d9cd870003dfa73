// Single keys, only while nobody is typing: ? n g+letter.
let waitingForTarget = 0;

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable], dialog[open]");
}

export function startShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "?") {
      event.preventDefault();
      document.getElementById("shortcuts").showModal();
    } else if (event.key === "g") {
      waitingForTarget = Date.now();
    } else if (Date.now() - waitingForTarget < 1200) {
      waitingForTarget = 0;
      document.querySelector(`.rail [data-go="${CSS.escape(event.key)}"]`)?.click();
    } else if (event.key === "n") {
      const address = document.getElementById("palette")?.dataset.new;
      if (address) location.assign(address);
    }
  });
}
