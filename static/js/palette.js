// Search over pages, symbols, backtests, sessions and bots: Ctrl/⌘ K. Pages come from the rail, the rest from the server
// as one types. What a result does by itself (pause a session) is sent as a form, never followed as a link.
import { mark } from "./listbox.js";

const WAIT_MS = 140;

export function startPalette() {
  const dialog = document.getElementById("palette");
  const input = document.getElementById("palette-input");
  const list = document.getElementById("palette-list");
  const labelOf = (link) => [...link.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
  const pages = [...document.querySelectorAll(".rail-links a")].map((link) => ({ label: labelOf(link), kind: "Page", url: link.href })); // no counts
  const page = (label, url) => ({ label, kind: "Page", url });
  const { new: backtest, start, build, custom } = dialog.dataset;
  pages.unshift(page("New backtest", backtest), page("Start a session", start), page("New custom strategy", build), page("Custom strategies", custom));
  const sources = dialog.dataset.urls.split(" ");
  let chosen = 0;
  let timer = 0;
  let asked = 0;

  function choose(index) {
    chosen = mark(list, input, index);
  }

  function show(items) {
    list.replaceChildren(
      ...items.map((item, i) => {
        const option = document.createElement("div");
        option.id = `palette-option-${i}`;
        option.setAttribute("role", "option");
        option.dataset.url = item.url;
        if (item.post) option.dataset.post = "";
        for (const [text, quiet] of [[item.label, false], [item.kind, true]]) {
          const span = document.createElement("span");
          span.textContent = text;
          if (quiet) span.className = "faint small";
          option.append(span);
        }
        return option;
      }),
    );
    if (!items.length) {
      const nothing = document.createElement("p");
      nothing.className = "soft";
      nothing.textContent = "Nothing found.";
      list.append(nothing);
      input.removeAttribute("aria-activedescendant");
    } else choose(0);
  }

  function search() {
    const words = input.value.trim();
    const found = pages.filter((page) => page.label.toLowerCase().includes(words.toLowerCase()));
    show(found);
    clearTimeout(timer);
    if (!words) return;
    timer = setTimeout(async () => {
      const turn = ++asked;
      const answers = await Promise.all(sources.map((source) => ask(source, words)));
      if (turn === asked) show([...found, ...answers.flat()]);
    }, WAIT_MS);
  }

  async function ask(source, words) {
    const answer = await fetch(`${source}?q=${encodeURIComponent(words)}`, { headers: { Accept: "application/json" } }).catch(() => null);
    return answer?.ok ? (await answer.json()).results : [];
  }

  function open() {
    if (dialog.open) return;
    input.value = "";
    asked += 1;
    show(pages);
    dialog.showModal();
    input.focus();
  }

  function go(option) {
    if (!option?.dataset.url) return;
    if (option.dataset.post === undefined) {
      location.assign(option.dataset.url);
      if (location.pathname === new URL(option.dataset.url, location).pathname) dialog.close();
      return;
    }
    const form = dialog.querySelector("form");
    form.action = option.dataset.url;
    form.requestSubmit();
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  document.querySelectorAll("[data-open-palette]").forEach((button) => button.addEventListener("click", open));
  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") go(list.children[chosen]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => go(event.target.closest("[role=option]")));
}
