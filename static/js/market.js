// Is the exchange open, and how long until it opens or closes? Asked once a minute, counted down here; quiet if nobody answers.
const ASK_MS = 60_000;

function left(milliseconds) {
  const minutes = Math.max(0, Math.ceil(milliseconds / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
}

export function startMarket() {
  const box = document.getElementById("market");
  const text = box.querySelector("[data-market-text]");
  const zone = document.body.dataset.timezone || undefined;
  let status = null;

  function draw() {
    if (!status) return;
    const next = status.is_open ? status.next_close : status.next_open;
    // Without calendar rows nobody knows; better silent than "closed"
    if (!status.is_open && !next) {
      box.hidden = true;
      return;
    }
    const word = status.is_open ? "open" : "closed";
    const wait = next ? ` · ${status.is_open ? "closes" : "opens"} in ${left(new Date(next) - Date.now())}` : "";
    const name = status.name ?? "US market";
    const long = (words) => Object.assign(document.createElement("span"), { className: "market-long", textContent: words });
    text.replaceChildren(long(`${name} `), word, long(wait));
    box.dataset.open = status.is_open ? "yes" : "no";
    box.title = next ? `${status.is_open ? "Closes" : "Opens"} ${new Date(next).toLocaleString(undefined, { timeZone: zone, timeZoneName: "short" })}` : "";
    box.hidden = false;
  }

  async function ask() {
    const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return;
    status = await answer.json();
    draw();
  }

  ask();
  setInterval(ask, ASK_MS);
  setInterval(draw, 10_000);
}
