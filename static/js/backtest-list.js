// The list: picking up to six runs to compare, and rows that follow the runs that are under way.
import { subscribe } from "./live.js";

const MOST = 6;
const form = document.getElementById("compare-form");
const button = document.getElementById("compare-button");
const boxes = () => [...document.querySelectorAll('input[name="ids"][form="compare-form"]')];

function count() {
  const picked = boxes().filter((box) => box.checked);
  button.setAttribute("aria-disabled", String(picked.length < 2));
  button.querySelector("[data-picked]").textContent = picked.length ? `${picked.length} of ${MOST}` : "";
  for (const box of boxes()) {
    if (!box.checked && box.closest("tr").dataset.active === undefined && box.dataset.never === undefined) box.disabled = picked.length >= MOST;
  }
}

if (button) {
  for (const box of boxes()) {
    if (box.disabled) box.dataset.never = "";
    box.addEventListener("change", count);
  }
  form.addEventListener("submit", (event) => {
    if (button.getAttribute("aria-disabled") === "true") {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  count();
  addEventListener("pageshow", count);
}

// one reload when a run ends; while others still run, the rows stay as they are
for (const row of document.querySelectorAll("tr[data-active]")) {
  const id = row.querySelector('input[name="ids"]').value;
  subscribe(`backtest.${id}`, (_event, { state }) => {
    if (state !== "QUEUED" && state !== "RUNNING" && !document.querySelector("dialog[open]")) location.reload();
  });
}
