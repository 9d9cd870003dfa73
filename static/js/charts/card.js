// What every chart card can do: full screen, picture, range buttons, a legend with the values under the cursor.

/** The time zone in which a chart writes times: days are days wherever one sits, moments are in the person's zone. */
export function zoneOf(times, daily = times.length < 2 || times.every((time, i) => i === 0 || (time - times[0]) % 86_400 === 0)) {
  return { daily, zone: daily ? "UTC" : document.body.dataset.timezone || "UTC" };
}

export function moment(time, { daily, zone, seconds }) {
  const options = { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" };
  if (!daily) Object.assign(options, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, seconds ? { second: "2-digit" } : {});
  return new Intl.DateTimeFormat("sv-SE", options).format(time * 1000);
}

export function written(value, decimals = 2, signed = false) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return `${value < 0 ? "−" : signed && value > 0 ? "+" : ""}${text}`;
}

/** items: [{label, value, token, dashed}] */
export function legend(id, items) {
  document.getElementById(`${id}-legend`).replaceChildren(
    ...items.map(({ label, value, token, dashed }) => {
      const item = document.createElement("span");
      item.className = "legend-item";
      if (token) {
        const key = document.createElement("span");
        key.className = dashed ? "legend-key dashed" : "legend-key";
        key.dataset.token = token;
        item.append(key);
      }
      item.append(label ? `${label} ` : "");
      const figure = document.createElement("strong");
      figure.textContent = value;
      item.append(figure);
      return item;
    }),
  );
}

export function ready(id) {
  document.querySelector(`#${id} .chart-wait`)?.remove();
}

/** words: what stands in a chart's place until there is something to draw. */
export function waitFor(id, words) {
  const wait = document.querySelector(`#${id} .chart-wait`);
  if (wait) wait.textContent = words;
}

/** why: what the server said, in words for a person. */
export function failed(id, again, why = "The chart could not be loaded.") {
  const wait = document.querySelector(`#${id} .chart-wait`);
  if (!wait) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-small";
  button.textContent = "Try again";
  button.addEventListener("click", again);
  wait.replaceChildren(`${why} `, button);
}

/** One of several buttons is pressed; which one stands in the address, unless it is the one pressed at first. */
function oneOf(id, attribute, name, onChoice) {
  const buttons = [...document.querySelectorAll(`#${id}-card [data-${attribute}]`)];
  const first = buttons.find((button) => button.getAttribute("aria-pressed") === "true")?.dataset[attribute];
  const apply = (choice) => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset[attribute] === choice)));
    onChoice(choice);
  };
  for (const button of buttons) {
    const choice = button.dataset[attribute];
    button.onclick = () => {
      const address = new URL(location);
      if (choice === first) address.searchParams.delete(name);
      else address.searchParams.set(name, choice);
      history.replaceState(null, "", address);
      apply(choice);
    };
  }
  const asked = new URL(location).searchParams.get(name);
  if (asked !== first && buttons.some((button) => button.dataset[attribute] === asked)) apply(asked);
}

const DAYS = { "1M": 31, "6M": 183, "1Y": 366, "5Y": 1827 };

/** onRange(firstSecond | null): null is everything. */
export function ranges(id, name, lastSecond, onRange) {
  oneOf(id, "range", name, (range) => onRange(range in DAYS ? lastSecond - DAYS[range] * 86_400 : null));
}

export function modes(id, onMode) {
  oneOf(id, "mode", "scale", onMode);
}

/** Buttons that turn parts of a chart on and off; what differs from the first state stands in the address. */
export function switches(id, onChange) {
  for (const button of document.querySelectorAll(`#${id}-card [data-switch]`)) {
    const { switch: key, on } = button.dataset;
    const set = (value) => {
      button.setAttribute("aria-pressed", String(value));
      onChange(key, value);
    };
    button.addEventListener("click", () => {
      const value = button.getAttribute("aria-pressed") !== "true";
      const address = new URL(location);
      if (String(value) === on) address.searchParams.delete(key);
      else address.searchParams.set(key, value ? "on" : "off");
      history.replaceState(null, "", address);
      set(value);
    });
    const asked = new URL(location).searchParams.get(key);
    if (asked) set(asked === "on");
  }
}

/** picture(): a canvas of the chart as it is now. */
export function tools(id, picture) {
  const card = document.getElementById(`${id}-card`);
  card.querySelector("[data-chart-full]").addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else card.requestFullscreen();
  });
  card.querySelector("[data-chart-image]").addEventListener("click", () => {
    picture().toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${id}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  });
}
