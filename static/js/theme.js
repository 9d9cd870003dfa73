// Theme and palette: remembered in cookies, so that the server writes them into <html> and no page flashes.
const YEAR = 31_536_000;

function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${YEAR}; SameSite=Lax${secure}`;
}

function apply(name, value, neutral) {
  if (value === neutral) delete document.documentElement.dataset[name];
  else document.documentElement.dataset[name] = value;
  document.dispatchEvent(new CustomEvent("themechange"));
}

/** The colour a token has now, as `rgb(…)`: what a canvas needs. */
export function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  probe.hidden = true;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export function startTheme() {
  for (const [name, neutral] of [["theme", "system"], ["palette", "standard"]]) {
    const now = document.documentElement.dataset[name] ?? neutral;
    for (const radio of document.querySelectorAll(`input[name="${name}"][type="radio"]`)) {
      radio.checked = radio.value === now;
      radio.addEventListener("change", () => {
        remember(name, radio.value);
        apply(name, radio.value, neutral);
      });
    }
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}
