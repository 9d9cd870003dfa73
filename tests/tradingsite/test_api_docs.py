"""The OpenAPI document and its page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("B31")]


def test_the_document_names_routes_errors_and_how_to_log_in(client):
    schema = client.get("/api/schema/?format=json", headers={"Accept": "application/json"}).json()
    assert {"/api/backtest/run", "/api/auth/token", "/api/strategies", "/api/market-status"} <= set(schema["paths"])
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    run = schema["paths"]["/api/backtest/run"]["post"]["responses"]
    assert {"202", "400", "401", "403", "413", "415", "429"} <= set(run)
    error = run["400"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    assert set(schema["components"]["schemas"][error]["properties"]) == {"code", "message", "errors", "request_id"}
    assert schema["components"]["schemas"]["PatchedPreferencesRequest"]["additionalProperties"] is False


def test_every_operation_says_what_it_does(client):
    schema = client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    silent = [
        f"{method} {path}"
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete") and not operation.get("description")
    ]
    assert silent == []


@pytest.mark.browser
def test_the_page_works_under_the_strict_policy(live_site, chromium):
    """In a real browser: the routes are listed, and neither the policy nor the console has anything to say."""
    from playwright.sync_api import sync_playwright

    def look() -> tuple[list[str], str]:
        said: list[str] = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(f"{live_site.url}/api/docs/")
            page.wait_for_selector(".opblock-summary-path", timeout=60_000)
            # With this many routes the page draws those that are looked at.
            page.mouse.move(400, 400)
            for _ in range(100):
                if page.locator('[data-path="/api/backtest/run"]').count():
                    break
                page.mouse.wheel(0, 400)
                page.wait_for_timeout(100)
            text = page.inner_text("body")
            browser.close()
        return said, text

    with ThreadPoolExecutor(1) as pool:  # playwright leaves an event loop behind in its thread
        said, text = pool.submit(look).result(60)
    assert "/api/backtest/run" in text.replace("\u200b", "")
    assert said == []
