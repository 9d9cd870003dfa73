// The one websocket of a page. subscribe(topic, onEvent, onGap): onGap is called after a reconnect or a lost message,
// when what is shown may be old and the page has to fetch a snapshot.
const topics = new Map(); // topic → { seq, listeners }
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
let socket = null;
let retry = FIRST_RETRY_MS;
let wasOpen = false;

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
  if (!topic || message.event === undefined) return;
  const gap = topic.seq !== null && message.seq > topic.seq + 1;
  topic.seq = message.seq ?? topic.seq;
  for (const { onEvent, onGap } of topic.listeners) {
    onEvent(message.event, message.payload);
    if (gap) onGap?.();
  }
}

export function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/`);
  socket.addEventListener("open", () => {
    show("open", "Live");
    retry = FIRST_RETRY_MS;
    for (const [name, topic] of topics) {
      topic.seq = null;
      send({ op: "subscribe", topic: name });
      if (wasOpen) topic.listeners.forEach(({ onGap }) => onGap?.());
    }
    wasOpen = true;
  });
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    show("lost", "Reconnecting");
    setTimeout(connect, retry * (0.75 + Math.random() / 2));
    retry = Math.min(retry * 2, LAST_RETRY_MS);
  });
}

export function isLive() {
  return socket?.readyState === WebSocket.OPEN;
}

export function subscribe(name, onEvent, onGap) {
  const topic = topics.get(name) ?? { seq: null, listeners: [] };
  topic.listeners.push({ onEvent, onGap });
  topics.set(name, topic);
  send({ op: "subscribe", topic: name });
}
