// Elements from script: `h("button", {class: "button", onClick: go, disabled: true}, "Go")`; and icons of the sprite.
const sprite = () => document.querySelector("use")?.getAttribute("href").split("#")[0] ?? "";

/** Attributes that are null or false are left out, true ones stand without a value, functions listen. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite()}#${name}`);
  svg.append(use);
  return svg;
}

const prototypes = new WeakMap(); // a list of choices → its options, drawn once: large trees have hundreds of each

function options(choices) {
  if (!prototypes.has(choices)) {
    const option = ([value, label]) => h("option", { value }, label);
    const made = document.createDocumentFragment();
    made.append(...choices.map((choice) => (Array.isArray(choice) ? option(choice) : h("optgroup", { label: choice.label }, choice.choices.map(option)))));
    prototypes.set(choices, made);
  }
  return prototypes.get(choices).cloneNode(true);
}

/** A select; choices: [value, label], or {label, choices} for a group of them. */
export function select(attributes, choices, chosen) {
  const made = h("select", attributes, options(choices));
  made.value = chosen;
  return made;
}

export const json = (id) => JSON.parse(document.getElementById(id).textContent);
