// Figures as the server writes them (tradingsite/lib/templatetags/figures.py), for values that arrive over the websocket.
const NOTHING = "–";
const FLASH_MS = 900;

function digits(value, decimals) {
  return Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Money with two decimals; values may be Decimal strings. */
export function money(value, signed = false) {
  const number = Number(value);
  if (value === null || value === undefined || value === "" || !Number.isFinite(number)) return NOTHING;
  const text = digits(number, 2);
  if (Number(text.replaceAll(",", "")) === 0) return text;
  return (number < 0 ? "−" : signed ? "+" : "") + text;
}

export function px(value) {
  const number = Number(value);
  if (value === null || value === undefined || !Number.isFinite(number)) return NOTHING;
  const size = Math.abs(number);
  return (number < 0 ? "−" : "") + digits(number, size >= 10 ? 2 : size >= 0.1 ? 4 : size >= 0.001 || !size ? 6 : 8);
}

const FORMATS = {
  money: (value) => money(value),
  signed: (value) => money(value, true),
  px,
  count: (value) => String(value),
};

/** One soft flash; none for who asked for less motion. */
export function flash(element) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  element.classList.remove("flash");
  void element.offsetWidth; // restarts the animation
  element.classList.add("flash");
  setTimeout(() => element.classList.remove("flash"), FLASH_MS);
}

/** Writes `value` into an element with data-format (money, signed, px, count); a change flashes. */
export function show(element, value) {
  const text = (FORMATS[element.dataset.format] ?? String)(value);
  if (element.textContent.trim() === text) return;
  if (element.dataset.format === "signed") {
    const figure = document.createElement("span");
    figure.className = text.startsWith("+") ? "gain" : text.startsWith("−") ? "loss" : "faint";
    figure.textContent = text;
    element.replaceChildren(figure);
  } else element.textContent = text;
  flash(element);
}
