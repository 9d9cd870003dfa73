import os
import subprocess
import pytest
from playwright.sync_api import Page, expect
from accounts.models import User
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OUT="/tmp/bshots/"

def test_look(visit, alice, sample_data, backtest_worker):
    User.objects.filter(pk=alice.pk).update(tier_id="PREMIUM")
    for theme in ("light","dark"):
        for width in (1440,390):
            page = visit(alice, width=width, theme=theme)
            page.goto("/strategies/custom/")
            page.screenshot(path=f"{OUT}list-{theme}-{width}.png", full_page=True)
            page.goto("/strategies/custom/new/")
            page.get_by_role("button", name="Templates").click()
            page.wait_for_timeout(200)
            page.screenshot(path=f"{OUT}starters-{theme}-{width}.png")
            page.locator("[data-starter=stochastic_trend]").click()
            page.wait_for_timeout(1200)
            page.screenshot(path=f"{OUT}built-{theme}-{width}.png", full_page=True)
            page.get_by_role("button", name="Show matches").click()
            expect(page.locator("#preview")).to_be_visible()
            page.locator("#signals button").first.click()
            expect(page.locator("#explained .pill").first).to_be_visible()
            page.wait_for_timeout(500)
            page.screenshot(path=f"{OUT}preview-{theme}-{width}.png", full_page=True)
            print(theme, width, page.evaluate("document.documentElement.scrollWidth"), page.locator("#preview-state").text_content())
            page.context.close() if False else None
