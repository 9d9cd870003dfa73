// The form of a run (backtest, session, bot): symbols with search, as chips; everything else is the server's live check.
import { mark } from "./listbox.js";

const WAIT_MS = 140;
const input = document.getElementById("f-symbols");
const list = document.getElementById("symbol-list");
const chips = document.getElementById("symbol-chips");
const form = input.form;
let chosen = -1;
let timer = 0;
let asked = 0;

const symbols = () => [...chips.children].map((chip) => chip.dataset.symbol);

function changed() {
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

function add(text) {
  for (const symbol of text.toUpperCase().split(/[\s,;]+/).filter(Boolean)) {
    if (symbols().includes(symbol)) continue;
    const chip = document.getElementById("chip-template").content.firstElementChild.cloneNode(true);
    chip.dataset.symbol = symbol;
    chip.prepend(symbol);
    chip.querySelector("input").value = symbol;
    chip.querySelector("button").setAttribute("aria-label", `Remove ${symbol}`);
    chips.append(chip);
  }
  input.value = "";
  close();
  changed();
}

/** A symbol taken from the list brings its source along, unless other symbols already settled it. */
function take(option) {
  const source = document.getElementById(input.dataset.sourceField ?? "f-source");
  if (source && !symbols().length) source.value = option.dataset.source;
  add(option.dataset.symbol);
}

function close() {
  list.hidden = true;
  list.replaceChildren();
  chosen = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function choose(index) {
  chosen = mark(list, input, index);
}

function show(results) {
  const taken = new Set(symbols());
  list.replaceChildren(
    ...results.filter((item) => !taken.has(item.symbol)).map((item, i) => {
      const option = document.createElement("div");
      option.id = `symbol-option-${i}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.symbol = item.symbol;
      option.dataset.source = item.source;
      for (const [text, name] of [[item.symbol, "mono"], [item.name, ""], [item.note, "faint"]]) {
        const span = document.createElement("span");
        span.textContent = text;
        if (text && name) span.className = name;
        option.append(span);
      }
      return option;
    }),
  );
  chosen = -1;
  list.hidden = !list.children.length;
  input.setAttribute("aria-expanded", String(!list.hidden));
}

function search() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const turn = ++asked;
    const words = input.value.trim();
    const answer = await fetch(`${input.dataset.url}?q=${encodeURIComponent(words)}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok || turn !== asked || document.activeElement !== input) return;
    show((await answer.json()).results);
  }, WAIT_MS);
}

input.addEventListener("input", (event) => {
  event.stopPropagation(); // half a symbol is nothing to check yet
  search();
});
input.addEventListener("focus", search);
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "Enter" || event.key === ",") {
    const option = list.children[chosen];
    if (option) take(option);
    else if (input.value.trim()) add(input.value);
    else if (event.key === ",") add("");
    else return; // Enter in an empty field sends the form, as everywhere
  } else if (event.key === "Escape" && !list.hidden) close();
  else if (event.key === "Backspace" && !input.value && chips.lastElementChild) {
    chips.lastElementChild.remove();
    changed();
    return;
  } else return;
  event.preventDefault();
});
input.addEventListener("blur", () => {
  asked += 1;
  clearTimeout(timer);
  if (input.value.trim()) add(input.value);
  close();
});
list.addEventListener("pointerdown", (event) => {
  event.preventDefault(); // keeps the focus in the field
  const option = event.target.closest("[role=option]");
  if (option) take(option);
});
chips.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-remove-symbol]")?.closest(".chip");
  if (!chip) return;
  chip.remove();
  input.focus();
  changed();
});

// parameters or settings were replaced: check what stands there now
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.classList.contains("form-part")) changed();
});
// the confirmation itself is nothing to check, and must not be redrawn under the finger
document.getElementById("cautions").addEventListener("change", (event) => event.stopPropagation());
document.getElementById("form-refused")?.focus();
