"""The builder of custom strategies in a real browser: by mouse, by keyboard, on a phone; what it shows is what runs."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from marketdata.services import load_bars
from strategies import conditions as trees
from strategies.models import CustomStrategy
from strategies.services import custom
from strategies.starters import STARTERS
from tests.e2e.builder_page import NEW, RSI_DIP, add_condition, bring_in, card, conditions, drag, exported, make, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.row("E6", "N7", "E1", "E2", "E3")
def test_built_and_saved_with_the_mouse(visit: Callable[..., Page], premium: User) -> None:
    page = visit(premium)
    page.goto("/strategies/custom/")
    page.get_by_role("link", name="New custom strategy").click()
    page.get_by_label("Name", exact=True).fill("Dips")
    add_condition(page)
    second = add_condition(page)
    second.get_by_label("This").select_option("price:close")
    second.get_by_label("Does what").select_option("above")
    second.get_by_label("Compared with").select_option("indicator:sma")
    card(page, "the close is above SMA(20)").get_by_label("Period").fill("200")
    third = add_condition(page)
    third.get_by_label("Does what").select_option("rising")
    third.get_by_role("spinbutton", name="Over").fill("3")
    first, other, last = "RSI(14) is below 30", "the close is above SMA(200)", "RSI(14) is rising over 3 bars"
    assert conditions(page) == [first, other, last]

    drag(page, card(page, last), card(page, first), below=False)
    assert conditions(page) == [last, first, other]
    card(page, first).get_by_role("button", name="Put into a group of its own").click()
    drag(page, card(page, last), card(page, first))  # into the group, below its only member
    group = page.locator("#tree .group-node:not(.root)")
    expect(group.locator(".condition")).to_have_count(2)
    expect(page.locator("#sentences")).to_contain_text(
        "Buy when (RSI(14) is below 30 or RSI(14) has risen over 3 bars) and the close is above SMA(200)"
    )
    page.get_by_role("tab", name="Sell").click()
    add_condition(page)
    card(page, "RSI(14) is below 30").get_by_label("Does what").select_option("crosses_above")
    card(page, "RSI(14) crosses above 30").get_by_label("Number").fill("70")
    expect(page.locator("#sentences")).to_contain_text("Sell when RSI(14) crosses above 70")
    page.get_by_role("button", name="Save").dblclick()
    expect(page.get_by_role("heading", name="Dips", level=1)).to_be_visible()

    row = CustomStrategy.objects.get()
    average = {"indicator": "sma", "period": 200, "source": "close"}
    rising = {"type": "compare", "left": {"indicator": "rsi", "period": 14}, "condition": "rising", "bars": 3}
    close = {"type": "compare", "left": {"price": "close"}, "condition": "above", "right": average}
    assert row.buy_conditions == {"type": "and", "children": [{"type": "or", "children": [RSI_DIP, rising]}, close]}
    assert row.sell_conditions["children"][0]["right"] == {"value": 70}
    assert (row.short_conditions, row.cover_conditions, row.owner) == (None, None, premium)
    expect(page.get_by_text("Sell when RSI(14) crosses above 70")).to_be_visible()


@pytest.mark.row("E6", "N11")
def test_built_by_keyboard_alone(visit: Callable[..., Page], premium: User) -> None:
    page = visit(premium)
    page.goto(NEW)
    expect(page.locator("#tree .root")).to_be_visible()
    tab_to(page, "Name")
    page.keyboard.type("By keys")
    tab_to(page, "Condition")
    page.keyboard.press("Enter")  # the focus goes to the new condition
    tab_to(page, "Number")
    page.keyboard.press("Control+A")
    page.keyboard.type("25")
    tab_to(page, "Group")
    page.keyboard.press("Enter")
    tab_to(page, "Condition")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")  # in the list of what can be compared: the first is the open
    expect(page.locator("#tree .condition").nth(1).get_by_label("This")).to_have_value("price:open")
    page.keyboard.press("Alt+ArrowLeft")  # out of the group
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    assert conditions(page) == ["the open is below 30", "RSI(14) is below 25"]
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowRight")  # into the group that is beside it now
    expect(page.locator("#tree .group-node:not(.root) .condition")).to_have_count(1)
    tab_to(page, "the open is below 30: drag", back=True)
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")
    assert conditions(page) == ["RSI(14) is below 25", "the open is below 30"]
    tab_to(page, "Save", back=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By keys", level=1)).to_be_visible()
    kept = CustomStrategy.objects.get().buy_conditions
    assert [node["type"] for node in kept["children"]] == ["compare", "or"]
    assert kept["children"][0] == RSI_DIP | {"right": {"value": 25}}


@pytest.mark.row("E6", "N7", "E4")
def test_the_preview_shows_the_bars_that_match(
    visit: Callable[..., Page], premium: User, sample_data: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    page = visit(premium)
    page.goto(NEW)
    page.get_by_role("button", name="Templates").click()
    page.get_by_role("button", name="RSI oversold bounce").click()
    expect(page.locator("#sentences")).to_contain_text("Buy when RSI(14) crosses above 30")
    page.get_by_label("First day").fill("2006-01-01")
    page.get_by_label("Last day", exact=True).fill("2008-12-31")
    page.get_by_role("button", name="Show matches").click()
    starter = next(one for one in STARTERS if one.slug == "rsi_bounce")
    bars = load_bars(["AAPL"], "1d", "2006-01-01", "2008-12-31", source="sample", owner=premium).bars["AAPL"]
    days = [datetime.datetime.fromtimestamp(ts // 10**9, datetime.UTC).date().isoformat() for ts in bars.ts.tolist()]
    expected = [
        (word, days[i])
        for word, tree in (("Buy", starter.buy), ("Sell", starter.sell))
        for i in np.flatnonzero(trees.evaluate(tree, bars)).tolist()
    ]
    rows = page.locator("#signals button")
    expect(rows).to_have_count(len(expected))
    shown = [(row.locator(".tag").text_content(), row.text_content()[-10:]) for row in rows.all()]
    assert sorted(shown) == sorted(expected)
    assert len(expected) > 5
    expect(page.locator("#preview-state")).to_contain_text(f"On {len(bars)} bars: ")
    expect(page.locator("#price canvas").first).to_be_visible()

    # why, on one of them: each node with its numbers
    at = days.index(expected[0][1])
    told = trees.explain(starter.buy, bars, [at])[0]["children"][0]
    page.locator("#signals button", has_text=expected[0][1]).click()
    explained = page.locator("#explained li li").first
    expect(explained).to_contain_text("true")
    expect(explained).to_contain_text(f"{told['left']['value']:.2f}")
    # a bar of the chart can be picked, too
    page.locator("#price").click(position={"x": 300, "y": 120})
    expect(page.locator("#explained")).to_contain_text("bar of 1d")
    expect(page.locator("#explained")).not_to_contain_text(expected[0][1])

    # it follows what is changed, and says when nothing matches
    page.get_by_role("tab", name="Sell").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("tab", name="Buy").click()
    page.locator("#tree .condition").get_by_label("Does what").select_option("above")
    page.locator("#tree .condition").get_by_label("Number").fill("100")
    expect(page.locator("#preview-state")).to_contain_text(f"None of these {len(bars)} bars matches")
    expect(page.locator("#signals")).to_contain_text("No bars match")


def test_a_preview_without_prices_says_so(visit: Callable[..., Page], premium: User, sample_data: None) -> None:
    page = visit(premium)
    page.watcher.expect(400)
    page.goto(NEW)
    add_condition(page)
    page.get_by_role("combobox", name="Symbol").fill("NOPE")
    expect(page.locator("#validity")).to_contain_text("complete")
    page.get_by_role("button", name="Show matches").click()
    expect(page.locator("#p-symbol-error")).to_contain_text("has no NOPE")
    expect(page.get_by_role("combobox", name="Symbol")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("combobox", name="Symbol")).to_have_value("NOPE")


@pytest.mark.row("E6", "A8")
def test_what_is_wrong_stands_at_its_node(visit: Callable[..., Page], premium: User) -> None:
    page = visit(premium)
    page.watcher.expect(400)
    page.goto(NEW)
    page.get_by_label("Name", exact=True).fill("Faulty")
    add_condition(page)
    add_condition(page)
    second = page.locator("#tree .condition").nth(1)
    second.get_by_label("Period").fill("0")
    field = second.locator("[data-path='left.period']")
    expect(field.locator(".field-error")).to_contain_text("From 2 to 5000 bars")
    expect(second.get_by_label("Period")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#tree .condition").first).not_to_have_class(re.compile("faulty"))
    expect(page.get_by_role("tab", name="Buy")).to_contain_text("1 to mend")
    # saved all the same: refused, and everything that was typed is still there
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#save-refused")).to_contain_text("needs your attention")
    expect(second.get_by_label("Period")).to_have_value("0")
    assert not CustomStrategy.objects.exists()
    second.get_by_label("Period").fill("9")
    expect(page.locator("#validity")).to_contain_text("The conditions are complete.")
    expect(field.locator(".field-error")).to_be_empty()
    # a name that is taken is said at the name
    custom.create(premium, {"name": "Faulty", "buy_conditions": RSI_DIP})
    page.watcher.expect(409)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-name-error")).to_contain_text("already")


@pytest.mark.row("E6", "N7")
def test_undo_redo_and_the_draft(visit: Callable[..., Page], premium: User) -> None:
    page = visit(premium)
    page.goto(NEW)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    add_condition(page)
    number = page.locator("#tree").get_by_label("Number")
    number.press_sequentially("99")  # typing is one step, and what is undone leaves the field
    page.keyboard.press("Control+z")
    expect(number).to_have_value("30")
    number.press_sequentially("5")
    page.locator("#tree").get_by_role("button", name="Duplicate").click()
    page.get_by_role("tab", name="Short").click()
    add_condition(page)
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    page.get_by_role("tab", name="Buy").click()
    assert conditions(page) == ["RSI(14) is below 305"]
    page.keyboard.press("Control+z")
    assert conditions(page) == ["RSI(14) is below 30"]
    page.keyboard.press("Control+z")
    assert conditions(page) == []
    for _ in range(3):
        page.keyboard.press("Control+Shift+Z")
    assert conditions(page) == ["RSI(14) is below 305"] * 2
    expect(page.get_by_text("Draft kept in this browser")).to_be_visible()

    # leaving asks first; what was built is there again, and can be thrown away
    page.remove_listener("dialog", page.watcher._dialog)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.get_by_text("This is the draft that you left here.")).to_be_visible()
    assert conditions(page) == ["RSI(14) is below 305"] * 2
    page.get_by_role("button", name="Begin anew").click()
    assert conditions(page) == []
    page.wait_for_timeout(700)  # until the draft is dropped
    page.reload()
    expect(page.locator("#tree .root")).to_be_visible()
    assert conditions(page) == []
    assert asked == ["beforeunload"]


@pytest.mark.row("E6", "N7")
def test_export_and_import_give_the_same_trees(visit: Callable[..., Page], premium: User) -> None:
    row = make(premium, "both_ways")
    page = visit(premium)
    page.goto(f"/strategies/custom/{row.pk}/edit/")
    content = exported(page)
    stored = {f"{side}_conditions": getattr(row, f"{side}_conditions") for side in ("buy", "sell", "short", "cover")}
    assert {key: content[key] for key in stored} == stored
    page.goto(NEW)
    bring_in(page, json.dumps(content))
    expect(page.get_by_role("tab", name="Short")).to_contain_text("(1)")
    assert {key: exported(page)[key] for key in stored} == stored
    # one tree alone, in the short form, is understood, too
    bring_in(
        page, '[{"type": "indicator", "indicator": {"type": "RSI", "period": 9, "condition": "below", "value": 20}}]'
    )
    expect(page.get_by_role("tab", name="Short")).not_to_contain_text("(")
    assert conditions(page) == ["RSI(9) is below 20"]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("tab", name="Short")).to_contain_text("(1)")
    # what cannot be read is told by its path, and changes nothing
    bring_in(page, '{"buy": {"type": "and", "children": [{"type": "compare", "condition": "beside"}]}}')
    dialog = page.get_by_role("dialog", name="Import conditions")
    expect(dialog).to_contain_text("buy_conditions.children[0].condition: 'condition' cannot be 'beside'")
    dialog.get_by_label("Or pasted").fill("{")
    dialog.get_by_role("button", name="Import").click()
    expect(dialog).to_contain_text("no JSON that could be read")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("tab", name="Short")).to_contain_text("(1)")


@pytest.mark.row("E6", "N11")
def test_on_a_phone(visit: Callable[..., Page], premium: User) -> None:
    row = make(premium, "stochastic_trend")
    page = visit(premium, width=390, has_touch=True, is_mobile=True)
    page.goto(f"/strategies/custom/{row.pk}/edit/")
    expect(page.locator("#tree .condition")).to_have_count(3)
    small = page.evaluate(
        """() => [...document.querySelectorAll("main button, main select, main input, main summary")]
          .filter((each) => each.checkVisibility() && !each.matches("[type=checkbox]"))
          .filter((each) => each.getBoundingClientRect().height < 40)
          .map((each) => each.outerHTML.slice(0, 90))"""
    )
    assert small == []
    first, second = conditions(page)[:2]
    card(page, first).first.get_by_role("button", name="Move down").tap()
    assert conditions(page)[:2] == [second, first]
    card(page, first).first.get_by_role("button", name="Put into a group of its own").tap()
    card(page, second).first.get_by_role("button", name="Move into the group beside it").tap()
    expect(page.locator("#tree .group-node:not(.root) .condition")).to_have_count(2)
    page.get_by_role("button", name="Save").tap()
    page.wait_for_url(f"**/strategies/custom/{row.pk}/")
    row.refresh_from_db()
    assert [node["type"] for node in row.buy_conditions["children"]] == ["or", "compare"]


@pytest.mark.row("E6", "N11")
def test_the_largest_tree_fits_and_stays_quick(visit: Callable[..., Page], premium: User) -> None:
    deep: dict[str, object] = RSI_DIP
    for level in range(30):
        deep = {"type": ("or", "and", "not")[level % 3], "children": [deep]}
    wide = [RSI_DIP | {"right": {"value": value}} for value in range(1, 460)]
    page = visit(premium, width=390)
    page.goto(NEW)
    bring_in(page, json.dumps({"buy": {"type": "and", "children": [deep]}, "sell": {"type": "or", "children": wide}}))
    expect(page.get_by_role("tab", name="Sell")).to_contain_text("(459)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    field = page.locator("#tree .condition").get_by_label("This")
    assert field.bounding_box()["width"] > 120
    page.get_by_role("tab", name="Sell").click()
    expect(page.locator("#tree .condition")).to_have_count(459)
    spent = page.evaluate(
        """() => {
          const before = performance.now();
          document.querySelector("#tree .condition [id$=-down]").click(); // draws all of it anew
          return performance.now() - before;
        }"""
    )
    assert spent < 3_000  # ms; about 300 on a quiet machine
    assert conditions(page)[:2] == ["RSI(14) is below 2", "RSI(14) is below 1"]
