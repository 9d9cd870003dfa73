// The form of an ensemble: members are added, moved and removed; what they make, and what is wrong, the server says.
const form = document.getElementById("compose");
const list = document.getElementById("members");
const pick = document.getElementById("f-pick");
const adder = document.getElementById("add-member");
const said = document.getElementById("members-said");
const none = document.getElementById("no-members");
const MOST = 12;

const rows = () => [...list.children];
const title = (row) => row.querySelector("h3").firstChild.textContent.trim();

/** A key that no row has: fields of a removed row must not meet those of a new one. */
function freeKey() {
  const numbers = rows().map((row) => Number(row.dataset.member.slice(1)));
  return `m${Math.max(-1, ...numbers, used) + 1}`;
}
let used = -1;

function changed(words) {
  none.hidden = rows().length > 0;
  adder.disabled = rows().length >= MOST;
  said.textContent = words;
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

adder.addEventListener("click", async () => {
  if (adder.disabled || adder.dataset.waiting) return;
  adder.dataset.waiting = "yes";
  const key = freeKey();
  used = Number(key.slice(1));
  const query = new URLSearchParams({ pick: pick.value, key });
  try {
    await window.htmx.ajax("GET", `${form.dataset.memberUrl}?${query}`, { target: "#members", swap: "beforeend" });
  } finally {
    delete adder.dataset.waiting;
  }
  const row = list.querySelector(`[data-member="${key}"]`);
  if (row) changed(`${title(row)} added. It has ${rows().length} members.`);
});

list.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const row = button?.closest("[data-member]");
  if (!row) return;
  const at = rows().indexOf(row);
  if ("remove" in button.dataset) {
    const words = `${title(row)} removed.`;
    // An answer that is on its way speaks of fields that go now.
    window.htmx.trigger("#live-check", "htmx:abort");
    row.remove();
    const next = rows()[Math.min(at, rows().length - 1)];
    (next?.querySelector("[data-remove]") ?? adder).focus();
    changed(words);
  } else if (button.dataset.move) {
    const to = at + Number(button.dataset.move);
    if (to < 0 || to >= rows().length) return;
    if (to < at) list.insertBefore(row, rows()[to]);
    else list.insertBefore(rows()[to], row);
    button.focus();
    changed(`${title(row)} is now number ${to + 1}.`);
  }
});
adder.disabled = rows().length >= MOST;
