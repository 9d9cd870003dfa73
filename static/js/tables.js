// Column picker and density of a data table, remembered by its name: <table data-table="x"> and {% table_menu "x" %}.
const KEY = (name) => `table:${name}`;

function remembered(name) {
  try {
    return JSON.parse(localStorage.getItem(KEY(name))) ?? {};
  } catch {
    return {}; // unreadable, or storage is switched off: the table simply shows everything
  }
}

function remember(name, choice) {
  try {
    localStorage.setItem(KEY(name), JSON.stringify(choice));
  } catch {
    // it then lasts as long as the page
  }
}

function apply(table, { dense, hidden = [] }) {
  if (dense !== undefined) table.classList.toggle("dense", dense);
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const row of table.rows) {
    if (row.cells.length !== heads.length) continue; // a row that spans columns
    [...row.cells].forEach((cell, i) => {
      cell.hidden = hidden.includes(heads[i]);
    });
  }
}

function start(menu) {
  const name = menu.dataset.tableMenu;
  const table = document.querySelector(`table[data-table="${CSS.escape(name)}"]`);
  if (!table) {
    menu.hidden = true;
    return;
  }
  const choice = remembered(name);
  apply(table, choice);
  const dense = menu.querySelector("[data-dense]");
  dense.checked = table.classList.contains("dense");
  dense.onchange = () => {
    choice.dense = dense.checked;
    remember(name, choice);
    apply(table, choice);
  };
  const heads = [...table.tHead.rows[0].cells];
  // the first column with a name tells which row one is in: it stays
  const optional = heads.filter((cell) => cell.dataset.fixed === undefined).slice(1);
  menu.querySelector("[data-columns]").replaceChildren(
    ...optional.map((cell) => {
      const title = cell.textContent.trim();
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !(choice.hidden ?? []).includes(title);
      box.addEventListener("change", () => {
        const hidden = new Set(choice.hidden ?? []);
        if (box.checked) hidden.delete(title);
        else hidden.add(title);
        choice.hidden = [...hidden];
        remember(name, choice);
        apply(table, choice);
      });
      label.append(box, ` ${title}`);
      return label;
    }),
  );
}

export function startTables() {
  const all = () => document.querySelectorAll("[data-table-menu]").forEach(start);
  all();
  document.body.addEventListener("htmx:afterSettle", all);
}
