// Short messages in the lower corner; announced politely. Errors stay until they are dismissed.
const SHOWN_MS = 6000;
const KINDS = { success: "notice-good", error: "notice-bad", warning: "notice-warn" };

export function toast(text, kind = "info") {
  const item = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  item.querySelector("div").textContent = text;
  if (KINDS[kind]) item.classList.add(KINDS[kind]);
  if (kind === "error") delete item.dataset.passes;
  document.getElementById("toasts").append(item);
  leaveLater(item);
}

function leaveLater(item) {
  if ("passes" in item.dataset) setTimeout(() => item.remove(), SHOWN_MS);
}

export function startToasts() {
  document.querySelectorAll("#toasts .toast").forEach(leaveLater);
  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest(".notice").remove();
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    toast(status === 429 ? "Too many requests. Wait a moment, then try again." : `The server answered ${status}. Nothing was changed; please try again.`, "error");
  });
  document.body.addEventListener("htmx:sendError", () => {
    toast("The server cannot be reached. What you typed is still here.", "error");
  });
}
