// What a screen-reader user and a person with weak sight meet: run inside the page, gives a list of faults in words.
() => {
  const faults = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const named = (element) => {
    const ids = (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter(Boolean);
    const words = [
      element.getAttribute("aria-label"),
      ...ids.map((id) => document.getElementById(id)?.textContent),
      ...[...(element.labels ?? [])].map((label) => label.textContent),
      element.title,
      element.matches("input") ? null : element.textContent,
      element.querySelector?.("img")?.alt,
    ];
    return words.some((text) => text?.trim());
  };
  const where = (element) => element.outerHTML.slice(0, 120).replace(/\s+/g, " ");

  if (document.documentElement.lang !== "en") faults.push("the page has no language");
  if (!document.title.trim()) faults.push("the page has no title");
  for (const name of ["main", "h1"]) {
    const found = [...document.querySelectorAll(name)].filter(shown);
    if (found.length !== 1) faults.push(`${found.length} <${name}> on the page`);
  }
  let level = 0;
  for (const heading of [...document.querySelectorAll("main h1, main h2, main h3, main h4")].filter(shown)) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) faults.push(`heading order: ${where(heading)} after h${level}`);
    level = own;
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`two elements with the id ${id}`);
  for (const element of document.querySelectorAll(":is([aria-labelledby], [aria-describedby], [aria-controls]):not([type=hidden])")) {
    for (const name of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
      for (const id of (element.getAttribute(name) ?? "").split(/\s+/).filter(Boolean)) {
        if (!document.getElementById(id)) faults.push(`${name} points to nothing: ${id}`);
      }
    }
  }
  for (const element of [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, dialog")]) {
    if (element.matches("[aria-hidden=true]")) continue;
    if ((shown(element) || element.matches("dialog")) && !named(element)) faults.push(`no name: ${where(element)}`);
  }
  for (const image of document.querySelectorAll("img:not([alt])")) faults.push(`no alternative text: ${where(image)}`);
  for (const element of document.querySelectorAll("main span, main li")) {
    // .then and the breadcrumbs put it behind what it follows
    if (/^[·›|]$/.test(element.textContent.trim())) faults.push(`a mark of its own may begin a line: ${where(element.parentElement)}`);
  }
  for (const tab of [...document.querySelectorAll(".tabs > :is([aria-current], [aria-selected=true])")].filter(shown)) {
    if (tab.getBoundingClientRect().right > tab.parentElement.getBoundingClientRect().right + 1) faults.push(`the chosen tab is out of sight: ${where(tab)}`);
  }
  for (const table of document.querySelectorAll("table")) {
    if (table.closest("[role=img]")) continue; // a chart library's scaffold: a reader is given the summary instead
    if (!table.caption?.textContent.trim()) faults.push(`table without caption: ${where(table)}`);
    for (const head of table.querySelectorAll("th:not([scope])")) faults.push(`th without scope: ${where(head)}`);
  }
  for (const chart of document.querySelectorAll("[role=img]")) if (!named(chart)) faults.push(`chart without a name: ${where(chart)}`);
  for (const element of document.querySelectorAll("[style]")) {
    // scripts may set styles through the object model; markup may not carry any. Charts do the former.
    if (!element.closest(".chart")) faults.push(`inline style: ${where(element)}`);
  }
  for (const element of document.querySelectorAll("*")) {
    for (const { name } of element.attributes) if (name.startsWith("on")) faults.push(`handler in markup: ${where(element)}`);
  }
  if (document.querySelector("style, script:not([src]):not([type='application/json'])")) faults.push("inline style or script");

  // contrast of every piece of text with what lies behind it (WCAG AA: 4.5, large text 3)
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (text) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = text;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(element) || element.closest("canvas, template, option")) continue;
    seen.add(element);
    if (!shown(element) || element.closest(":disabled, [aria-disabled=true], .visually-hidden")) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const [a, b] = [light(over(parse(style.color), back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.005) faults.push(`contrast ${ratio.toFixed(2)}: ${where(element)}`);
  }
  return faults;
};
