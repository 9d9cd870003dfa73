// Menus that close by themselves, dialogs, and the one that asks before a form is sent.

const DOUBLE_MS = 600;
let opened = 0; // when a dialog was opened by a press

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
}

/** Shows a dialog that somebody pressed for. */
export function show(dialog) {
  opened = performance.now();
  dialog.showModal();
}

/** Asks in words what will happen; resolves to true when the person says yes. */
export function confirm({ title, text, action, danger = false }) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-title").textContent = title;
  document.getElementById("confirm-text").textContent = text;
  const yes = document.getElementById("confirm-yes");
  yes.textContent = action;
  yes.classList.toggle("button-danger", danger);
  yes.classList.toggle("button-primary", !danger);
  dialog.returnValue = "no";
  show(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export function startDialogs() {
  // the second press of a double click is meant for the button that opened the dialog, not for what came up under it
  document.addEventListener(
    "click",
    (event) => {
      if (event.detail < 2 || event.timeStamp - opened > DOUBLE_MS || !event.target.closest("dialog")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("details[data-menu]"));
    if (event.target.tagName === "DIALOG") event.target.close("no"); // a click on the backdrop
    // <button data-open-dialog="id">, and data-close-dialog inside the dialog
    const opener = event.target.closest("[data-open-dialog]");
    if (opener) show(document.getElementById(opener.dataset.openDialog));
    event.target.closest("[data-close-dialog]")?.closest("dialog").close("no");
  });
  document.addEventListener("keydown", (event) => {
    const menu = document.querySelector("details[data-menu][open]");
    if (event.key === "Escape" && menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  // <form data-confirm="what will happen" data-confirm-title data-confirm-action [data-confirm-danger]>
  document.addEventListener(
    "submit",
    async (event) => {
      const form = event.target;
      if (!form.dataset.confirm || form.dataset.confirmed) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const yes = await confirm({
        title: form.dataset.confirmTitle,
        text: form.dataset.confirm,
        action: form.dataset.confirmAction,
        danger: "confirmDanger" in form.dataset,
      });
      if (!yes) return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter ?? undefined);
      delete form.dataset.confirmed; // what Back brings up again asks again
    },
    true,
  );
}
