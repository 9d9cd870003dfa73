"""The builder as tests drive it: what stands on the page, and how a hand or a keyboard gets there."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from strategies.models import CustomStrategy
from strategies.services import custom
from strategies.starters import STARTERS

NEW = "/strategies/custom/new/"
RSI_DIP = {
    "type": "compare",
    "left": {"indicator": "rsi", "period": 14},
    "condition": "below",
    "right": {"value": 30},
}
# Where the focus is, in the words that a screen reader has for it.
_FOCUSED = """
() => {
  const at = document.activeElement;
  const label = at.labels?.[0]?.textContent ?? "";
  return (at.getAttribute("aria-label") ?? (label || at.textContent)).trim();
}
"""


def make(owner: User, slug: str = "rsi_bounce", **more: object) -> CustomStrategy:
    """A strategy of this user's with the conditions of a starter."""
    starter = next(one for one in STARTERS if one.slug == slug)
    kept = {key: value for key, value in starter.as_dict().items() if key.endswith("_conditions")}
    return custom.create(owner, {"name": starter.label, **kept, **more})


def conditions(page: Page) -> list[str]:
    """The conditions of the open tree in the order of the page."""
    return page.locator("#tree .condition .node-words").all_text_contents()


def card(page: Page, words: str) -> Locator:
    """The condition that says so."""
    return page.locator("#tree .condition", has=page.locator(".node-words", has_text=words))


def add_condition(page: Page, group: Locator | None = None) -> Locator:
    """Press “Condition” of a group, the outermost one by default; the new card."""
    before = page.locator("#tree .condition").count()
    (group or page.locator("#tree > .root")).locator(":scope > .adders").get_by_role("button", name="Condition").click()
    expect(page.locator("#tree .condition")).to_have_count(before + 1)
    return page.locator("#tree .condition:focus-within")


def drag(page: Page, source: Locator, target: Locator, *, below: bool = True) -> None:
    """Pull a node by its grip to the lower (or upper) edge of another one, as a hand does."""
    source.locator("[data-grip]").first.hover()
    page.mouse.down()
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    for _ in range(20):  # the page scrolls while the pointer is near its edge
        assert box is not None
        y = box["y"] + (box["height"] - 4 if below else 4)
        page.mouse.move(box["x"] + box["width"] / 2, y, steps=5)
        page.wait_for_timeout(150)
        before, box = box, target.bounding_box()
        if before == box:
            break
    expect(page.locator(".drop-line")).to_be_visible()
    page.mouse.up()


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until the focus is on what is called so."""
    for _ in range(120):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate(_FOCUSED).startswith(name):
            return
    raise AssertionError(f"no way to {name!r} by Tab; the focus ended on {page.evaluate(_FOCUSED)!r}")


def exported(page: Page) -> dict[str, Any]:
    """What “Export” writes."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    return json.loads(download.value.path().read_text(encoding="utf-8"))


def bring_in(page: Page, text: str) -> None:
    """Paste text into the import dialog and press Import."""
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog", name="Import conditions")
    dialog.get_by_label("Or pasted").fill(text)
    dialog.get_by_role("button", name="Import").click()
