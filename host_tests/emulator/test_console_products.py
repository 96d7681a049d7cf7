"""The console's Products view in a real browser: products, their switch, names, a reset."""

import urllib.parse
from pathlib import Path

import pytest
from console_browser import browser, import_expect  # noqa: F401  a fixture
from emulator_client import authenticate
from emulator_process import EmulatorProcess
from registration_client import PRODUCT, PRODUCT_SECRET, form, register, triple_of

expect = import_expect()


@pytest.fixture(scope="module")
def emulator():
    options = ("--product", f"{PRODUCT},{PRODUCT_SECRET}")
    with EmulatorProcess((), options) as process:
        yield process


def no_secret(page, *secrets):
    text = page.content()
    assert not [one for one in (PRODUCT_SECRET, *secrets) if one in text]
    assert (page.seen.dialogs, page.seen.errors) == ([], [])


def test_product_is_made_and_gives_its_secret_out_once_in_a_file(emulator, browser):  # noqa: F811
    with browser.open(emulator.console + "/products") as page:
        page.get_by_label("Product key").fill("a1fromPage")
        page.get_by_role("button", name="Create product").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download secret").click()
        secret = Path(download.value.path()).read_text().strip()
        assert len(secret) == 32
        expect(page.locator("pre")).to_contain_text("register --product-key a1fromPage")
        no_secret(page, secret)
        page.get_by_label("Product key").fill("a1fromPage")
        page.get_by_role("button", name="Create product").click()
        expect(page.get_by_text("already exists")).to_be_visible()
    emulator.add_names("a1fromPage", ["made-here"])
    reply = register(emulator, form("made-here", secret, product="a1fromPage"))
    assert reply.code == 200


def test_names_are_made_and_the_switch_refuses(emulator, browser):  # noqa: F811
    with browser.open(emulator.console + "/products") as page:
        panel = page.locator(".panel").filter(has=page.get_by_text(PRODUCT, exact=True))
        names = panel.get_by_label("Device names")
        make = panel.get_by_role("button", name="Create devices")
        names.fill("page-001\npage-002, page-003\n")
        make.click()
        expect(panel.get_by_text("3 devices: 0 activated")).to_be_visible()
        names.fill("page-003\npage-004")
        make.click()
        expect(page.get_by_text("already there: 1")).to_be_visible()
        names.fill("page-005\nno!")
        make.click()
        expect(page.get_by_text("is not 4 to 32")).to_be_visible()
        assert names.input_value() == "page-005\nno!"
        assert len([d for d in emulator.devices() if d.startswith(f"{PRODUCT}/page")]) == 4
        assert register(emulator, form("page-001")).code == 200
        path = f"/api/products/{urllib.parse.quote(PRODUCT)}"
        switch = panel.get_by_role("switch")
        # What a program switches is seen, too, also where it comes before the page looks again.
        for _ in range(2):
            switch.click()
            expect(page.get_by_text("registration is off")).to_be_visible()
            assert register(emulator, form("page-001")).code == 6288
            emulator.api("PUT", path, {"registration": True})
            expect(switch).to_have_attribute("aria-checked", "true")
            expect(page.get_by_text("registration is off")).to_have_count(0, timeout=10_000)
        assert register(emulator, form("page-001")).code == 200
        no_secret(page)


def test_device_that_is_activated_is_reset_on_its_view(emulator, browser):  # noqa: F811
    emulator.add_names(PRODUCT, ["to-reset"])
    triple = triple_of(register(emulator, form("to-reset")))
    authenticate(emulator, triple)
    assert register(emulator, form("to-reset")).code == 6289
    with browser.open(f"{emulator.console}/device/{PRODUCT}/to-reset") as page:
        page.get_by_role("tab", name="Authentications").click()
        expect(page.get_by_text("6289 refused")).to_be_visible()
        expect(page.get_by_text("200 accepted")).to_be_visible()
        page.get_by_role("button", name="Reset", exact=True).click()
        expect(page.get_by_text("Reset: linkpost register")).to_be_visible()
        assert register(emulator, form("to-reset")).code == 200
        no_secret(page, triple[2])
