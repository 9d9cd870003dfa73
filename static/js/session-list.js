// Lists and cards of sessions, live: figures of each closed bar in place, one reload when a state has changed.
import { show } from "./figures.js";
import { heard, startFreshness } from "./freshness.js";
import { subscribe } from "./live.js";
import { toast } from "./toasts.js";

const RELOAD_MS = 800;
const list = document.getElementById("session-list");
let connections = 0;
let reloading = 0;

function reload() {
  clearTimeout(reloading);
  reloading = setTimeout(() => {
    if (document.querySelector("dialog[open]") || document.querySelector("form[data-sent]")) reload();
    else location.reload();
  }, RELOAD_MS);
}

function receive(event, payload) {
  const rows = document.querySelectorAll(`[data-session="${CSS.escape(String(payload.session))}"]`);
  if (event === "bot_status_changed") {
    if (rows.length || payload.state === "SCHEDULED") reload();
  } else if (event === "cycle_completed") {
    for (const row of rows) {
      for (const element of row.querySelectorAll("[data-live]")) if (payload[element.dataset.live] !== undefined) show(element, payload[element.dataset.live]);
      heard(row);
    }
  }
}

if (list) {
  subscribe(list.dataset.topic, receive, () => {
    connections += 1;
    if (connections > 1) {
      toast("Connected again. The page is fetched anew.");
      reload();
    }
  });
  startFreshness();
}
