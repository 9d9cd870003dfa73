// Values that have not been heard of for a while turn grey and say their age: <span data-heard="ISO" data-stale-after="s">.
const TICK_MS = 1000;

function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

function tick() {
  for (const note of document.querySelectorAll("[data-heard]")) {
    const heard = Date.parse(note.dataset.heard);
    if (Number.isNaN(heard)) continue;
    const seconds = Math.max(0, (Date.now() - heard) / 1000);
    const stale = note.dataset.staleAfter !== "" && seconds > Number(note.dataset.staleAfter);
    const text = `${stale ? "Stale: last" : "Last"} bar ${age(seconds)} ago`;
    if (note.textContent !== text) note.textContent = text;
    note.closest("[data-fresh]")?.classList.toggle("stale", stale);
  }
}

export function startFreshness() {
  tick();
  setInterval(tick, TICK_MS);
}

/** Something was heard of it just now. */
export function heard(root) {
  root?.querySelectorAll("[data-heard]").forEach((note) => {
    note.dataset.heard = new Date().toISOString();
  });
  tick();
}
