// Tabs that have no room beside each other scroll sideways: the chosen one is brought into sight.
export function startTabs() {
  for (const tab of document.querySelectorAll('.tabs > :is([aria-current], [aria-selected="true"])')) {
    const row = tab.parentElement;
    const [own, seen] = [tab.getBoundingClientRect(), row.getBoundingClientRect()];
    if (own.right > seen.right) row.scrollLeft += own.right - seen.right;
  }
}
