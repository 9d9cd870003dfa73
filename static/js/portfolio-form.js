// Rows of a portfolio's limits and views: one more, one less. What is typed is checked by the server, as everywhere.
function renumber(list) {
  const title = list.querySelector("legend").textContent;
  list.querySelectorAll("[data-row-box] > [data-row]").forEach((row, i) => {
    row.setAttribute("aria-label", `${title}, row ${i + 1}`);
    row.querySelector("[data-remove-row]").setAttribute("aria-label", `Remove row ${i + 1}`);
  });
}

function changed(list) {
  renumber(list);
  list.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const list = event.target.closest("[data-rows]");
  if (!list) return;
  if (event.target.closest("[data-add-row]")) {
    const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
    list.querySelector("[data-row-box]").append(row);
    renumber(list);
    row.querySelector("input").focus();
  } else if (event.target.closest("[data-remove-row]")) {
    event.target.closest("[data-row]").remove();
    list.querySelector("[data-add-row]").focus();
    changed(list);
  }
});
