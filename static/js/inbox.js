// The count beside "Inbox", and on a phone at "More": how many differences wait for a decision, live.
import { subscribe } from "./live.js";

let events = 0;

function show(count) {
  for (const badge of document.querySelectorAll("[data-inbox-count]")) {
    badge.firstChild.textContent = String(count);
    badge.hidden = count === 0;
  }
  const words = count ? `More sections, ${count} to decide in the inbox` : "More sections";
  document.querySelector(".rail-more").setAttribute("aria-label", words);
}

async function recount(link) {
  const before = events;
  const answer = await fetch(link.dataset.url, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return; // the next event, or the next page, tells
  const { waiting } = await answer.json();
  if (events === before) show(waiting); // else an event has told since
}

export function startInbox() {
  const link = document.getElementById("inbox-link");
  if (!link) return;
  const onEvent = (event, payload) => {
    if (event !== "inbox_changed") return;
    events += 1;
    show(payload.waiting);
  };
  subscribe(link.dataset.topic, onEvent, () => recount(link));
}
