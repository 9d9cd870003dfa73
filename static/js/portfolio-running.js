// A portfolio that is being computed: progress from the websocket, from polling while there is none, then the result.
import { isLive, subscribe } from "./live.js";

const box = document.getElementById("running");
const phases = JSON.parse(document.getElementById("phases").textContent);
const ACTIVE = new Set(["QUEUED", "RUNNING"]);
const FIRST_POLL_MS = 250;
const LAST_POLL_MS = 2000;
const LIVE_POLL_MS = 5000; // even with a websocket, now and then: a message can get lost
let over = false;

function show({ state, phase, done, total }) {
  if (over) return;
  if (!ACTIVE.has(state)) {
    over = true;
    location.reload(); // the same address now answers with the result
    return;
  }
  const bar = document.getElementById("bar");
  const words = phases[phase] ?? phase;
  if (total) {
    bar.max = total;
    bar.value = done;
  } else bar.removeAttribute("value");
  const said = document.getElementById("phase");
  if (said.textContent !== words) said.textContent = words; // read aloud once a phase
}

async function ask() {
  const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.ok) show(await answer.json());
  else if (answer?.status === 404) location.reload(); // deleted meanwhile
}

async function poll(wait) {
  if (over) return;
  await ask();
  setTimeout(poll, isLive() ? LIVE_POLL_MS : wait, Math.min(wait * 1.5, LAST_POLL_MS));
}

subscribe(box.dataset.topic, (_event, payload) => show(payload), ask);
poll(FIRST_POLL_MS);
