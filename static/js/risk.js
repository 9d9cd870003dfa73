// Risk: a page that follows the news, a stop that says in its question what it will do, rows of groups.
import { follow } from "./trades.js";

const form = document.getElementById("stop-form");
const groups = document.getElementById("groups");

function ask() {
  const chosen = form.querySelector("[name=level]:checked");
  form.dataset.confirm = chosen.dataset.words;
  form.dataset.confirmTitle = `${chosen.parentElement.querySelector(".choice-title").textContent}?`;
}

form.addEventListener("change", ask);
ask();

document.getElementById("add-group").addEventListener("click", () => {
  const row = document.getElementById("group-template").content.firstElementChild.cloneNode(true);
  const index = groups.dataset.next++;
  for (const element of row.querySelectorAll("*")) {
    for (const name of ["id", "for", "name", "aria-describedby"]) {
      const value = element.getAttribute(name);
      if (value) element.setAttribute(name, value.replace("group-N-", `group-${index}-`));
    }
  }
  groups.append(row);
  row.querySelector("input").focus();
});
groups.addEventListener("click", ({ target }) => {
  const row = target.closest("[data-drop-group]")?.closest("[data-group]");
  if (!row) return;
  row.remove();
  document.getElementById("limits-form").dispatchEvent(new Event("change", { bubbles: true }));
  document.getElementById("add-group").focus();
});

follow();
