// The one websocket of a page; it reconnects by itself. After a reconnect or a lost message what is shown may be old:
// then the page fetches a snapshot.
const topics = new Map(); // topic → { seq, listeners }
const FINAL = new Set([4401, 4403]); // no valid login, not this site: asking again changes nothing
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
let socket = null;
let retry = FIRST_RETRY_MS;
let away = false;

function show(state, word) {
  const dot = document.getElementById("connection");
  if (!dot) return;
  dot.dataset.state = state;
  dot.title = word;
  const text = dot.querySelector("span");
  if (text.textContent !== word) text.textContent = word;
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function receive(message) {
  const topic = topics.get(message.topic);
  if (!topic) return;
  if (message.event === "subscribed") {
    // whatever happened before this moment was not sent: fetch how it stands now
    topic.seq = message.seq;
    topic.listeners.forEach(({ onGap }) => onGap?.());
    return;
  }
  if (!("payload" in message)) return;
  const gap = topic.seq !== null && message.seq > topic.seq + 1;
  topic.seq = message.seq;
  for (const { onEvent, onGap } of topic.listeners) {
    onEvent(message.event, message.payload);
    if (gap) onGap?.();
  }
}

export function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/`);
  socket.addEventListener("open", () => {
    if (away) {
      socket.close();
      return;
    }
    show("open", "Live");
    retry = FIRST_RETRY_MS;
    for (const name of topics.keys()) send({ op: "subscribe", topic: name });
  });
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    if (away) return;
    if (FINAL.has(event.code)) {
      show("lost", "Signed out");
      return;
    }
    show("lost", "Reconnecting");
    setTimeout(connect, retry * (0.75 + Math.random() / 2));
    retry = Math.min(retry * 2, LAST_RETRY_MS);
  });
}

// A page with an open websocket cannot be kept by the browser for Back: close it on leaving, open it on coming back.
addEventListener("pagehide", () => {
  away = true;
  if (isLive()) socket.close();
});
addEventListener("pageshow", (event) => {
  if (!event.persisted || !socket) return;
  away = false;
  connect();
});

export function isLive() {
  return socket?.readyState === WebSocket.OPEN;
}

/** onEvent(event, payload) for each message; onGap() once subscribed, and again whenever messages may have been lost. */
export function subscribe(name, onEvent, onGap) {
  const known = topics.get(name);
  const topic = known ?? { seq: null, listeners: [] };
  topic.listeners.push({ onEvent, onGap });
  if (known) return; // a second subscription would look like a reconnect to the first listener
  topics.set(name, topic);
  send({ op: "subscribe", topic: name });
}
