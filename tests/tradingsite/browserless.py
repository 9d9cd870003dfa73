"""A visitor with cookies and no browser, for starts of the site where nothing but its pages can be asked."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.parse
import urllib.request


class Visitor:
    """Fetches pages of one site and keeps its cookies."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def get(self, path: str) -> str:
        with self._opener.open(self.site + path, timeout=20) as answer:
            return answer.read().decode()

    def log_in(self, username: str, password: str) -> str:
        """Log in through the login page; returns the page behind it. AssertionError when the login is refused."""
        form = self.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token, f"no login form: {form[:500]}"
        fields = {"csrfmiddlewaretoken": token[1], "username": username, "password": password}
        request = urllib.request.Request(
            f"{self.site}/accounts/login/", urllib.parse.urlencode(fields).encode(), {"Referer": self.site}
        )
        with self._opener.open(request, timeout=20) as answer:
            page = answer.read().decode()
            assert "/accounts/login/" not in answer.url, f"the login was refused: {page[:2000]}"
        return page
