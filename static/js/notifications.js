// The bell: how many notifications are unread, live; what matters is also said in a toast, and an open list is renewed.
import { subscribe } from "./live.js";
import { toast } from "./toasts.js";

const TOASTS = { warning: "warning", error: "error", critical: "error" };
let unread = 0;
let events = 0;

function show(bell, count) {
  unread = count;
  const badge = bell.querySelector("[data-bell-count]");
  badge.textContent = count > 99 ? "99+" : String(count);
  badge.hidden = count === 0;
  bell.querySelector("[data-bell-words]").textContent = count ? `Notifications, ${count} unread` : "Notifications";
}

function renewList() {
  if (!document.getElementById("notification-list")) return;
  window.htmx.ajax("GET", location.href, { target: "#notification-list", select: "#notification-list", swap: "outerHTML" });
}

async function recount(bell) {
  const before = events;
  const answer = await fetch(`${bell.dataset.url}?unread=true&limit=1`, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return; // the next event, or the next page, tells
  const { count } = await answer.json();
  if (events !== before) {
    await recount(bell); // something came in meanwhile: nobody knows which of the two is newer
  } else if (count !== unread) {
    show(bell, count);
    renewList();
  }
}

export function startNotifications() {
  const bell = document.getElementById("bell");
  if (!bell) return;
  unread = Number(bell.dataset.unread);
  const onEvent = (event, payload) => {
    events += 1;
    if (event === "notifications_read") {
      show(bell, payload.unread);
      renewList();
    }
    if (event !== "notification") return;
    show(bell, unread + 1);
    renewList();
    if (payload.level in TOASTS) toast([payload.title, payload.text].filter(Boolean).join(" — "), TOASTS[payload.level]);
  };
  subscribe(bell.dataset.topic, onEvent, () => recount(bell));
}
