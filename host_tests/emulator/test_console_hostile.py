"""What devices send is text on the console's page, whatever it looks like.

The device's names are put into the database by hand: the emulator takes none that look so.
"""

import contextlib
import json
import sqlite3
from urllib.parse import quote

import pytest
from console_browser import browser, import_expect  # noqa: F401  a fixture
from emulator_client import authenticate, encode_publish, exchange
from emulator_process import DEVICE_NAME, PRODUCT_KEY, TRIPLE, EmulatorProcess

expect = import_expect()

IMAGE = "<img src=x onerror=alert('%s')>"
BAD_PRODUCT = '"><svg onload=alert(1)>'
BAD_NAME = IMAGE % "name"
TOPIC = f"/{PRODUCT_KEY}/{DEVICE_NAME}/<svg/onload=alert(2)>"
PAYLOAD = {
    "stream": IMAGE % "stream",
    "seq": 1,
    IMAGE % "key": 1.5,
    ":alert(3)": 2.5,  # NiceGUI evaluates keys of options that begin so
    "__proto__": 3.5,
    "constructor": 4.5,
    "{{ alert(4) }}": 5.5,
    "{a|b}": 6.5,
    "text": "</script><script>alert(5)</script> `${alert(6)}` \\u2028 " + IMAGE % "text",
}


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        with contextlib.closing(sqlite3.connect(process.db)) as db, db:
            db.execute(
                "INSERT INTO device (product_key, device_name, secret, last_seen_ms, last_code,"
                " last_reason) VALUES (?, ?, 'secret', 1, 20000, ?)",
                (BAD_PRODUCT, BAD_NAME, IMAGE % "reason"),
            )
        token = authenticate(process, TRIPLE)
        for payload in (json.dumps(PAYLOAD).encode(), (IMAGE % "raw").encode()):
            assert exchange(process, encode_publish(TOPIC, token, payload)).code == 0
        yield process


@pytest.fixture
def opened(emulator, browser):  # noqa: F811
    """Open a view; nothing of what a device sent was run as a script or asked for as a picture."""

    @contextlib.contextmanager
    def open_view(path):
        with browser.open(emulator.console + path) as page:
            asked = []
            page.on("request", lambda request: asked.append(request.url))
            yield page
            page.wait_for_timeout(200)  # for a picture that cannot be loaded to say so
            assert (page.seen.dialogs, page.seen.errors) == ([], [])
            assert not [url for url in asked if url.endswith("/x")]
            assert page.locator("img[src=x], svg[onload]").count() == 0

    return open_view


def test_device_s_names_and_reasons_are_text(opened):
    with opened("/") as page:
        link = page.get_by_role("link", name=BAD_NAME)
        expect(link).to_be_visible()
        expect(page.get_by_text(f"Refused 20000: {IMAGE % 'reason'}")).to_be_visible()
        link.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"{BAD_PRODUCT}/{BAD_NAME}")
        expect(page).to_have_title(f"{BAD_NAME} · linkpost emulator")
        page.get_by_role("button", name="All messages").click()
        expect(page.get_by_label("Device")).to_have_value(f"{BAD_PRODUCT}/{BAD_NAME}")
        page.go_back()
        page.get_by_role("button", name="Set a fault").click()
        page.get_by_role("button", name="No reply").click()
        expect(page.locator(".list-item")).to_contain_text(f"{BAD_PRODUCT}/{BAD_NAME}")


def test_names_in_the_address_are_text(opened):
    bad = quote(f"{IMAGE % 'query'}</script><script>alert(7)</script>", safe="")
    with opened(f"/messages?device={bad}") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Messages")
    with opened(f"/device/{bad}/{bad}") as page:
        expect(page.get_by_text("404").first).to_be_visible()


def test_topics_and_payloads_are_text_in_list_and_dialog(opened):
    with opened("/messages") as page:
        expect(page.get_by_text(TOPIC)).to_have_count(2)
        expect(page.locator("tbody tr").first).to_contain_text(IMAGE % "raw")
        page.locator("tbody tr").nth(1).get_by_role("button").click()
        expect(page.locator("pre").first).to_contain_text("</script><script>alert(5)</script>")
        for view in ("text", "hex"):
            page.get_by_role("tab", name=view).click()
        expect(page.get_by_text("000000  7b 22 73 74 72 65 61 6d")).to_be_visible()


def test_names_of_values_are_text_in_the_chart(opened):
    with opened(f"/device/{PRODUCT_KEY}/{DEVICE_NAME}") as page:
        expect(page.get_by_text("4 points")).to_be_visible()
        page.get_by_role("combobox", name="Values shown").click()
        for name in (IMAGE % "key", ":alert(3)", "__proto__", "constructor", "{{ alert(4) }}"):
            expect(page.get_by_role("option", name=name, exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        shown = page.evaluate(
            """() => {
                const chart = getElement(document.querySelector('.chart').id.slice(1)).chart;
                chart.dispatchAction({type: 'showTip', seriesIndex: 0, dataIndex: 0});
                const {series, tooltip} = chart.getOption();
                return {names: series.map(one => one.name), tooltip: tooltip[0].renderMode};
            }"""
        )
        # A tooltip of ECharts is HTML, unless it is drawn on the canvas.
        assert shown["tooltip"] == "richText"
        assert set(shown["names"]) <= set(PAYLOAD) and len(shown["names"]) == 4
