"""Debian's Chromium, headless, for tests of the console page: fixtures `browser` and `open_page`.

Where Chromium or Playwright is missing the tests are skipped and say so; on CI, or with
LINKPOST_REQUIRE_BROWSER=1, that is a failure instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
WAIT_MS = 30_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def find_chromium() -> str | None:
    """Return the path of a Chromium of this machine, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def required() -> bool:
    """Tell whether a missing browser is a failure here."""
    return any(os.environ.get(name, "") not in ("", "0", "false") for name in
               ("CI", "LINKPOST_REQUIRE_BROWSER"))  # fmt: skip


def import_expect():
    """Return Playwright's `expect`; where it is not installed, skip or fail the whole file."""
    try:
        from playwright.sync_api import expect
    except ImportError:
        if required():
            raise
        pytest.skip("Playwright is not installed; make setup does", allow_module_level=True)
    expect.set_options(timeout=WAIT_MS)
    return expect


@contextlib.contextmanager
def launch(profile: Path) -> Iterator[Browser]:
    """Run a browser with a profile of its own; raise LookupError where there is none."""
    path = find_chromium()
    if path is None:
        raise LookupError("no Chromium on this machine; on Debian: apt install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise LookupError("Playwright is not installed; make setup installs it") from error
    profile.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Playwright gives it a fresh profile; what else it writes goes where we say.
        chromium = playwright.chromium.launch(
            executable_path=path,
            headless=True,
            args=_ARGUMENTS,
            env={**os.environ, "HOME": str(profile), "XDG_CONFIG_HOME": str(profile)},
        )
        try:
            yield Browser(chromium)
        finally:
            chromium.close()


class Browser:
    """One running Chromium. Pages opened alike share cookies and cache; each is watched."""

    def __init__(self, chromium):
        self._chromium = chromium
        self._contexts: dict[str, object] = {}

    @contextlib.contextmanager
    def open(self, url: str, viewport=DESKTOP, scheme: str = "light", **options):
        """Open the URL; yield the page, whose `seen` says what it asked for and complained of."""
        options = {"viewport": viewport, "color_scheme": scheme, **options}
        key = repr(options)
        if key not in self._contexts:
            self._contexts[key] = self._chromium.new_context(**options)
            self._contexts[key].set_default_timeout(WAIT_MS)
        page = self._contexts[key].new_page()
        try:
            page.seen = Seen(page)
            page.goto(url)
            yield page
        finally:
            page.close()


class Seen:
    """What happened in a page: requests, dialogs, errors. Scripts that ran are in `dialogs`."""

    def __init__(self, page):
        self.hosts: set[str] = set()
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("dialog", self._note_dialog)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("data", "blob", "about"):
            self.hosts.add(parts.netloc)

    def _note_dialog(self, dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium for the tests of one file."""
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(launch(tmp_path_factory.mktemp("chromium")))
        except LookupError as error:
            if required():
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield opened
