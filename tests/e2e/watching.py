"""What no page may do, in any browser test: write an error to the console, break the content policy, lose a file."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request, Response

# How a page jumps: every layout shift that did not follow a press or a key within half a second, summed up.
COUNT_SHIFTS = """
window.__shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


class Watcher:
    """Collects the faults of one page; `expect(…)` names an answer that a test provokes on purpose."""

    def __init__(self, page: Page) -> None:
        self.faults: list[str] = []
        self._expected: set[int] = set()
        page.add_init_script(COUNT_SHIFTS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("response", self._response)
        page.on("requestfailed", self._failed)
        page.on("dialog", self._dialog)

    def expect(self, status: int) -> None:
        """From now on an answer with this status is no fault."""
        self._expected.add(status)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        # The browser writes a line of its own for each such answer; `_response` has judged it already.
        if message.text.startswith("Failed to load resource: the server responded with a status of"):
            return
        # Leaving the page aborts what it was asking for: no fault here as little as in `_failed`. Other ends of a
        # request have a word of their own beside `afterRequest`.
        if message.text.startswith(("htmx:sendAbort", "htmx:afterRequest")):
            return
        # A check that was on its way while its field made room for another's.
        if message.text.startswith("htmx:oobErrorNoTarget, #f-"):
            return
        self.faults.append(f"console {message.type}: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self.faults.append(f"{response.status} for {response.url}")

    def _failed(self, request: Request) -> None:
        # A request that a newer one, or leaving the page, has overtaken is no fault.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"{request.failure} for {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()
