// Lists of fills, orders and positions: clean addresses, details in the side panel, a list that follows the news.
import { subscribe } from "./live.js";

const MOST_OFTEN_MS = 1000;
const panel = document.getElementById("panel");
let waiting = null;
let last = 0;

// what is left empty does not stand in the address; on a narrow screen the fields open with a press
for (const form of document.querySelectorAll("[data-filters]")) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });
  const opener = form.querySelector("[data-open-filters]");
  opener.addEventListener("click", () => {
    opener.setAttribute("aria-expanded", String(form.toggleAttribute("data-open")));
  });
}

// under an open dialog, while a form of it is on its way or a field of it is being filled in, the list stays: what was
// chosen would be gone before it is sent
const inUse = () =>
  document.querySelector(
    "dialog[open], #live form[data-sent], #live :is(select, input):focus",
  ) !== null;

document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "live" || !inUse()) return;
  event.detail.shouldSwap = false; // a dialog was opened after the list had been asked for
  refresh();
});

/** Fetches the page again and puts its list in the place of this one; not while a dialog is open, once a second at most. */
export function refresh() {
  if (waiting !== null) return;
  waiting = setTimeout(
    async () => {
      waiting = null;
      last = Date.now();
      if (inUse()) {
        refresh();
        return;
      }
      const focused = document.activeElement?.closest("#live a[href]")?.getAttribute("href");
      await window.htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerHTML" });
      if (focused) document.querySelector(`#live a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    },
    Math.max(0, last + MOST_OFTEN_MS - Date.now()),
  );
}

/** Follows the topics of the list: onEvent(event, payload) for each message, beside the refresh that some ask for. */
export function follow(onEvent) {
  const live = document.getElementById("live");
  if (!live) return;
  const asking = new Set(live.dataset.refreshOn.split(" "));
  for (const topic of live.dataset.topics.split(" ")) {
    subscribe(
      topic,
      (event, payload) => {
        onEvent?.(event, payload);
        if (asking.has(event)) refresh();
      },
      refresh,
    );
  }
}

if (panel) {
  const body = document.getElementById("panel-body");
  const title = document.getElementById("panel-title");
  document.body.addEventListener("htmx:afterSwap", ({ target }) => {
    if (target !== body) return;
    title.replaceChildren(...body.querySelector("[data-title]").cloneNode(true).childNodes);
    if (!panel.open) panel.showModal();
    panel.scrollTop = 0;
    body.dispatchEvent(new CustomEvent("panelopen", { bubbles: true }));
  });
}

if (document.querySelector("#live[data-follow]")) follow(); // other pages follow with a module of their own
