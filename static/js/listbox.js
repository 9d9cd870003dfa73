// A list of options that a field drives by the arrow keys: the field keeps the focus, one option is marked.

/** Mark the option at `index`, counted in a circle, and bring it into view. Its index; -1 where there is none. */
export function mark(list, input, index) {
  const options = [...list.children];
  if (!options.length) return -1;
  const chosen = (index + options.length) % options.length;
  options.forEach((option, i) => option.setAttribute("aria-selected", String(i === chosen)));
  input.setAttribute("aria-activedescendant", options[chosen].id);
  options[chosen].scrollIntoView({ block: "nearest" });
  return chosen;
}
