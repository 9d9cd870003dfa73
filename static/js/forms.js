// Forms: sliders beside their numbers, one submission per press, errors tied to their fields.

const idle = new WeakMap(); // button → what stood on it before it said that it is busy

function syncSlider(event) {
  const slider = event.target.dataset.sliderFor ? event.target : document.querySelector(`[data-slider-for="${CSS.escape(event.target.id || "-")}"]`);
  if (!slider) return;
  const number = document.getElementById(slider.dataset.sliderFor);
  if (event.target === slider) {
    number.value = slider.value;
    if (event.type === "change") number.dispatchEvent(new Event("change", { bubbles: true }));
  } else if (number.value !== "") {
    slider.value = number.value;
  }
}

/** aria-invalid follows the text of each field's error. */
export function markInvalid(root = document) {
  for (const error of root.querySelectorAll(".field-error")) {
    const control = document.getElementById(error.id.replace(/-error$/, ""));
    if (!control) continue;
    if (error.textContent.trim()) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
}

export function startForms() {
  document.addEventListener("input", syncSlider);
  document.addEventListener("change", syncSlider);
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog") return;
    if (form.dataset.sent) {
      event.preventDefault(); // a second press while the first is on its way
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter ?? form.querySelector("[type=submit]");
    button?.setAttribute("aria-disabled", "true");
    if (button?.dataset.busy) {
      idle.set(button, [...button.childNodes]);
      button.textContent = button.dataset.busy;
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
  // a page that Back takes from the browser's memory still holds what was typed, and can be sent again
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
    for (const button of document.querySelectorAll("button[type=submit][aria-disabled=true]")) {
      button.removeAttribute("aria-disabled");
      if (idle.has(button)) button.replaceChildren(...idle.get(button));
    }
  });
  document.body.addEventListener("htmx:afterSettle", () => markInvalid());
  markInvalid();
}
