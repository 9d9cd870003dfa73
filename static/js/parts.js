// Parts of a page that the server draws again when something has happened: <section data-part id hx-get hx-trigger="refresh">.
// Many events in a row are one request; what differs afterwards flashes; what somebody has open is left alone.
import { flash } from "./figures.js";

const EVERY_MS = 700;
const waiting = new Map(); // part id → timer
const before = new Map(); // part id → texts by key

const keyed = (part) => new Map([...part.querySelectorAll("[data-key]")].map((cell) => [cell.dataset.key, cell.textContent.trim()]));

/** Asks for the part again, at most once in EVERY_MS. */
export function refresh(id) {
  if (waiting.has(id) || !document.getElementById(id)) return;
  waiting.set(
    id,
    setTimeout(() => {
      waiting.delete(id);
      const part = document.getElementById(id);
      if (!part) return;
      // not under the finger: an open row or dialog, or a field being filled in
      if (part.querySelector("details[open], dialog[open]") || part.contains(document.activeElement?.closest("form input, form select"))) {
        refresh(id);
        return;
      }
      part.dispatchEvent(new CustomEvent("refresh"));
    }, EVERY_MS),
  );
}

export function refreshAll() {
  document.querySelectorAll("[data-part]").forEach((part) => refresh(part.id));
}

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  if (part.dataset.part !== undefined) before.set(part.id, keyed(part));
});
document.body.addEventListener("htmx:afterSettle", (event) => {
  const part = document.getElementById(event.detail.target.id);
  const old = before.get(part?.id);
  if (!old) return;
  before.delete(part.id);
  for (const cell of part.querySelectorAll("[data-key]")) {
    if (old.has(cell.dataset.key) && old.get(cell.dataset.key) !== cell.textContent.trim()) flash(cell);
  }
});
