"""The console's page in a real browser, against a real emulator with a board reporting into it."""

import contextlib
import json
import re
import subprocess
import sys

import pytest
from console_browser import DESKTOP, PHONE, browser, import_expect  # noqa: F401  a fixture
from emulator_client import (
    RawClient,
    auth_fields,
    authenticate,
    encode_auth,
    encode_publish,
    exchange,
)
from emulator_process import DEVICE_NAME, DEVICE_SECRET, PRODUCT_KEY, TRIPLE, EmulatorProcess
from linkpost_command import run, start, write_config

from tools.virtual_board import runtimes

expect = import_expect()

BOARD = f"{PRODUCT_KEY}/{DEVICE_NAME}"
QUIET = (PRODUCT_KEY, "quiet-01", "fedcba9876543210fedcba9876543210")
MANY = (PRODUCT_KEY, "many-001", "00112233445566778899aabbccddeeff")
# How many points each line of the chart has, by its name.
_POINTS = """() => {
    const component = getElement(document.querySelector('.chart').id.slice(1));
    const series = component.chart?.getOption()?.series || [];
    return Object.fromEntries(series.map(one => [one.name, one.data.length]));
}"""
SECRETS = (DEVICE_SECRET, QUIET[2], MANY[2])
RUNTIME = "micropython" if runtimes.has_micropython() else "cpython"


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([TRIPLE, QUIET, MANY]) as process:
        yield process


@pytest.fixture(scope="module")
def board(emulator, tmp_path_factory):
    """A virtual board that reports once a second while the tests run."""
    folder = tmp_path_factory.mktemp("board")
    config = write_config(folder, emulator.platform, interval_s=1)
    arguments = ("--config", config, "--flash", folder / "flash", "--ca", emulator.ca)
    with start("board", "run", *arguments, "--runtime", RUNTIME) as process:
        yield process


@pytest.fixture
def opened(emulator, browser):  # noqa: F811
    """Open a view; whatever a test did, the page asked no other host and hit no error."""

    @contextlib.contextmanager
    def open_view(path, **options):
        with browser.open(emulator.console + path, **options) as page:
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            yield page
            emulator.clear_faults()
            text = page.content()
            assert not [secret for secret in SECRETS if secret in text]
            assert page.seen.hosts == {emulator.console.removeprefix("http://")}
            assert (page.seen.dialogs, page.seen.errors) == ([], [])

    return open_view


def fact(page, name):
    """Return the value beside that name in a device's view."""
    return page.locator(".fact").filter(has=page.get_by_text(name, exact=True)).locator(".value")


def accepted(emulator, key=BOARD):
    return emulator.devices()[key]["accepted"]


def wait_for_more(page, emulator, number):
    """Wait until the device's view shows more accepted messages than that; return how many."""
    page.wait_for_function(
        """number => [...document.querySelectorAll('.fact')].some(fact =>
            fact.querySelector('.name')?.textContent === 'Accepted' &&
            Number(fact.querySelector('.value').textContent.replaceAll(',', '')) > number)""",
        arg=number,
    )
    return accepted(emulator)


def publish(emulator, triple, payloads):
    """Send the payloads over one connection."""
    token = authenticate(emulator, triple)
    topic = f"/{triple[0]}/{triple[1]}/user/update"
    emulator.keep_alive(True)
    with RawClient(emulator) as client:
        for payload in payloads:
            client.send(encode_publish(topic, token, payload))
            assert client.read_reply().code == 0
    emulator.keep_alive(False)


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option).click()


def test_page_of_a_device_shows_new_values_without_a_reload(opened, emulator, board):
    with opened(f"/device/{BOARD}") as page:
        wait_for_more(page, emulator, 1)
        page.evaluate("window.notReloaded = true")
        page.wait_for_function("document.querySelector('.chart canvas') !== null")
        # The boot's own report has more numbers, which nobody needs a chart of.
        names = f"Object.keys(({_POINTS})()).join()"
        page.wait_for_function(f"() => {names} === 'humidity,temperature'")
        first = page.evaluate(_POINTS)
        newest = page.locator("tbody tr").first.inner_text()
        wait_for_more(page, emulator, accepted(emulator) + 1)
        expect(page.locator("tbody tr").first).not_to_have_text(newest)
        page.wait_for_function(f"before => ({_POINTS})().humidity > before", arg=first["humidity"])
        expect(page.get_by_text("OK", exact=True)).to_be_visible()
        assert page.evaluate("window.notReloaded") is True


def test_fault_set_by_clicks_hits_the_board_which_recovers(opened, emulator, board):
    with opened(f"/faults?device={BOARD}") as page:
        choose(page, "How often", "until removed")
        page.get_by_role("button", name="HTTP 500").click()
        active = page.locator(".list-item")
        expect(active).to_contain_text(re.compile(f"{BOARD}, until removed, happened [1-9]"))
        expect(page.locator(".fault-bar")).to_contain_text("1 active fault: HTTP status.")
        before = accepted(emulator)
        page.get_by_role("button", name="Remove fault", exact=True).click()
        expect(active).to_have_count(0)
        expect(page.locator(".fault-bar")).not_to_be_visible()
        assert emulator.faults() == []
    with opened(f"/device/{BOARD}") as page:
        wait_for_more(page, emulator, before)
    assert emulator.devices()[BOARD]["missing"] == 0


def test_fault_form_makes_every_kind_and_says_what_is_wrong(opened, emulator):
    with opened("/faults") as page:
        choose(page, "Device", f"{PRODUCT_KEY}/{QUIET[1]}")
        choose(page, "Endpoint", "authentication")
        choose(page, "How often", "several times")
        page.get_by_label("Times").fill("2")
        choose(page, "Fault", "Redirect")
        page.get_by_label("Location").fill("not a place")
        page.get_by_role("button", name="Set fault", exact=True).click()
        location = page.locator(".q-field").filter(has=page.get_by_label("Location"))
        expect(location).to_contain_text("Printable ASCII characters only")
        expect(page.locator(".q-notification")).to_have_count(0)
        choose(page, "Fault", "Slow reply")
        page.get_by_label("Milliseconds", exact=True).fill("250")
        page.get_by_role("button", name="Set fault", exact=True).click()
        expect(page.locator(".list-item")).to_contain_text("Slow reply: ms 250")
        expect(page.get_by_text("Printable ASCII characters only")).to_have_count(0)
        (fault,) = emulator.faults()
        wanted = {"kind": "delay", "ms": 250, "times": 2, "endpoint": "auth"}
        assert fault.items() >= {**wanted, "device": f"{PRODUCT_KEY}/{QUIET[1]}"}.items()
        page.get_by_role("button", name="Remove fault", exact=True).click()
        expect(page.locator(".list-item")).to_have_count(0)


def test_new_device_s_downloaded_config_works_with_send(opened, emulator, tmp_path):
    with opened("/new") as page:
        page.get_by_label("Device name").fill("from-page")
        page.get_by_role("button", name="Create device").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download config.json").click()
        assert download.value.suggested_filename == "from-page.json"
        config = tmp_path / "from-page.json"
        download.value.save_as(config)
        secret = json.loads(config.read_text())["device_secret"]
        assert secret not in page.content()
        expect(page.get_by_text("No request from it yet.")).to_be_visible()
        command = page.locator("pre").first.inner_text().split()
        assert command[:2] == ["linkpost", "send"]
        assert command[2:6] == ["--config", "from-page.json", "--ca", emulator.ca]
        result = run(*command[1:3], config, *command[4:], "--runtime", RUNTIME)
        assert result.returncode == 0, result.stderr
        expect(page.get_by_text("Accepted: 1. It works.")).to_be_visible()
        page.get_by_role("button", name="Create device").click()  # another name is there already
        expect(page.get_by_text("No request from it yet.")).to_be_visible()
        field = {
            label: page.locator(".q-field").filter(has=page.get_by_label(label))
            for label in ("Device name", "Endpoint", "Seconds between readings")
        }
        devices = emulator.devices().keys()
        page.get_by_label("Device name").fill("no")
        page.get_by_label("Endpoint").fill("")
        page.get_by_label("Seconds between readings").fill("-5")
        page.get_by_role("button", name="Create device").click()
        expect(field["Device name"]).to_contain_text("must be 4 to 32 of")
        expect(field["Endpoint"]).to_contain_text("must be text of 1")
        expect(field["Seconds between readings"]).to_contain_text("must be a number from 0")
        expect(page.get_by_label("Seconds between readings")).to_have_value("-5")
        assert emulator.devices().keys() == devices
        page.get_by_label("Device name").fill("from-page")
        page.get_by_label("Endpoint").fill(emulator.platform)
        page.get_by_label("Seconds between readings").fill("0.5")
        page.get_by_role("button", name="Create device").click()
        expect(field["Device name"]).to_contain_text("from-page already exists")
        page.get_by_label("Device name").fill("from-page-2")
        page.get_by_role("button", name="Create device").click()
        expect(page.get_by_text("No request from it yet.")).to_be_visible()
        expect(page.get_by_text("already exists")).to_have_count(0)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download config.json").click()
        download.value.save_as(config)
        assert json.loads(config.read_text())["interval_s"] == 0.5


def test_new_device_with_a_sensor_that_virtual_boards_lack_is_not_for_one(opened):
    with opened("/new") as page:
        choose(page, "Sensor", "onchip")
        page.get_by_role("button", name="Create device").click()
        expect(page.get_by_text("Send one message")).to_be_visible()
        expect(page.get_by_text("Run a virtual board")).to_have_count(0)
        choose(page, "Sensor", "system")
        page.get_by_role("button", name="Create device").click()
        expect(page.get_by_text("Run a virtual board")).to_be_visible()


def test_device_disabled_and_enabled_by_click_is_refused_and_let_in(opened, emulator):
    authenticate(emulator, QUIET)
    with opened(f"/device/{PRODUCT_KEY}/{QUIET[1]}") as page:
        page.get_by_role("button", name="Disable").click()
        expect(
            page.get_by_text("Disabled here: its requests are refused with 20000.")
        ).to_be_visible()
        assert exchange(emulator, encode_auth(auth_fields(QUIET))).code == 20000
        page.get_by_role("button", name="Enable").click()
        expect(page.get_by_role("button", name="Disable")).to_be_visible()
        expect(page.get_by_text("the device is disabled")).to_have_count(0)
        expect(page.locator(".badge").first).not_to_have_text("problem")
        token = authenticate(emulator, QUIET)
        page.get_by_role("button", name="Expire tokens").click()
        expect(fact(page, "Token")).to_have_text("none valid")
        message = encode_publish(f"/{PRODUCT_KEY}/{QUIET[1]}/user/update", token)
        assert exchange(emulator, message).code == 20001


def test_devices_view_shows_which_device_has_a_problem_and_why(opened, emulator, board):
    wrong = (PRODUCT_KEY, QUIET[1], "f" * 32)
    assert exchange(emulator, encode_auth(auth_fields(wrong))).code == 20000
    with opened("/") as page:
        row = page.locator("tbody tr").filter(has_text=QUIET[1])
        expect(row).to_contain_text("problem")
        expect(row).to_contain_text(re.compile("Refused 20000: .*deviceSecret"))
        expect(page.locator("tbody tr").first).to_contain_text("problem")
        row.get_by_role("link").click()
        page.get_by_role("tab", name="Authentications").click()
        refused = page.locator("tbody tr").filter(has_text="20000 refused").first
        expect(refused).to_contain_text("deviceSecret")
        refused.get_by_role("button").click()
        request = page.locator("pre").first
        expect(request).to_contain_text("POST /auth HTTP/1.1")
        expect(request).not_to_contain_text(auth_fields(wrong)["sign"])
        expect(page.locator("pre").nth(1)).to_contain_text('"code":20000')


def test_messages_are_filtered_and_paged(opened, emulator):
    texts = [json.dumps({"n": number}).encode() for number in range(55)]
    publish(emulator, MANY, [*texts, b"\x00\xff not text"])
    key = f"{PRODUCT_KEY}/{MANY[1]}"
    with opened(f"/messages?device={key}") as page:
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(50)
        expect(rows.first).to_contain_text("11 bytes: 00 ff 20 6e 6f 74")
        expect(rows.nth(1)).to_contain_text('{"n": 54}')
        page.get_by_role("button", name="Older").click()
        expect(rows).to_have_count(6)
        expect(rows.last).to_contain_text('{"n": 0}')
        page.get_by_role("button", name="Newer").click()
        expect(rows).to_have_count(50)
        page.get_by_label("Text in the payload").fill('"n": 3')
        expect(rows).to_have_count(11)  # 3, 30 to 39
        page.get_by_label("Text in the payload").fill("")
        choose(page, "Reply", "30001")
        expect(page.get_by_text("No messages")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export as CSV").click()
        assert download.value.suggested_filename == "messages.csv"


def test_message_opens_as_json_text_and_hex_with_its_request_masked(opened, emulator):
    token = authenticate(emulator, MANY)
    topic = f"/{PRODUCT_KEY}/{MANY[1]}/user/one"
    assert exchange(emulator, encode_publish(topic, token, b'{"a":[1,2]}')).code == 0
    with opened(f"/messages?device={PRODUCT_KEY}/{MANY[1]}") as page:
        button = page.locator("tbody tr").filter(has_text="user/one").get_by_role("button")
        button.click()
        try:
            expect(page.locator("pre").first).to_contain_text('"a": [', timeout=5_000)
        except AssertionError:  # the list was made anew under the first click: seen once
            button.click()
            expect(page.locator("pre").first).to_contain_text('"a": [')
        page.get_by_role("tab", name="hex").click()
        expect(page.get_by_text("000000  7b 22 61 22 3a 5b 31 2c 32 5d 7d")).to_be_visible()
        expect(page.get_by_text(re.compile("POST /topic/.* HTTP/1.1"))).to_be_visible()
        assert token not in page.content()
        page.get_by_role("button", name="Close").click()
        expect(page.locator("pre")).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_message_dialog_shows_all_and_gives_the_focus_back(opened, emulator, viewport):
    token = authenticate(emulator, MANY)
    topic = f"/{PRODUCT_KEY}/{MANY[1]}/user/long"
    payload = json.dumps({f"value-{number}": number for number in range(40)}).encode()
    assert exchange(emulator, encode_publish(topic, token, payload)).code == 0
    with opened(f"/messages?device={PRODUCT_KEY}/{MANY[1]}", viewport=viewport) as page:
        button = page.locator("[data-focus]").first
        button.focus()
        page.keyboard.press("Enter")
        reply = page.locator("pre").last
        expect(reply).to_contain_text('"message":"success"')
        # Nothing of it is cut off: what does not fit can be scrolled to.
        inside = page.evaluate(
            """() => [...document.querySelectorAll('.request-dialog pre')].filter(
                pre => pre.offsetParent && pre.clientHeight < Math.min(pre.scrollHeight, 300)
            ).length"""
        )
        assert inside == 0
        reply.scroll_into_view_if_needed()
        expect(reply).to_be_in_viewport(ratio=0.9)
        opens = button.get_attribute("data-focus")
        # More come meanwhile, and the row moves.
        publish(emulator, MANY, [b'{"later": 1}'])
        page.keyboard.press("Escape")
        expect(page.locator("pre")).to_have_count(0)
        expect(page.locator(f'[data-focus="{opens}"]')).to_be_focused()


@pytest.mark.parametrize("path", ["/messages", "/"])
def test_focus_stays_where_it_is_when_new_rows_come(opened, emulator, path):
    publish(emulator, MANY, [b'{"n": 1}'])
    with opened(path) as page:
        item = page.locator("[data-focus]").nth(1)
        item.focus()
        kept = item.get_attribute("data-focus")
        page.evaluate("window.before = document.activeElement")
        publish(emulator, MANY, [b'{"n": 2}'])
        page.wait_for_function("() => !window.before.isConnected")
        expect(page.locator(f'[data-focus="{kept}"]')).to_be_focused()


def test_focus_stays_on_a_fault_s_button_while_others_come_and_go(opened, emulator):
    emulator.fault(kind="stall", endpoint="topic", device=f"{PRODUCT_KEY}/{QUIET[1]}")
    with opened("/faults") as page:
        rows = page.locator(".list-item")
        expect(rows).to_have_count(1)
        button = rows.first.get_by_role("button")
        button.focus()
        other = {"kind": "code", "code": 40000, "device": f"{PRODUCT_KEY}/{QUIET[1]}"}
        emulator.fault(endpoint="auth", times=2, **other)
        expect(rows).to_have_count(2)
        expect(button).to_be_focused()
        for _ in range(2):
            assert exchange(emulator, encode_auth(auth_fields(QUIET))).code == 40000
        expect(rows).to_have_count(1)
        expect(button).to_be_focused()
        emulator.fault(endpoint="auth", times=9, **other)
        expect(rows).to_have_count(2)
        page.keyboard.press("Enter")
        expect(rows).to_have_count(1)
        # Its button has gone with it: the focus is at the next one.
        expect(rows.first.get_by_role("button")).to_be_focused()


def test_topic_of_a_refused_message_breaks_at_its_slashes(opened, emulator):
    token = authenticate(emulator, MANY)
    topic = f"/{PRODUCT_KEY}/somebody-elses-greenhouse/user/update"
    assert exchange(emulator, encode_publish(topic, token, b"x")).code == 30001
    with opened("/messages", viewport=DESKTOP) as page:
        # In one look: rows are made anew where others come.
        found = page.wait_for_function(
            """() => {
                const row = [...document.querySelectorAll('tbody tr')].find(
                    row => row.textContent.includes('somebody-elses'));
                return row && {
                    width: row.querySelector('td.reply').offsetWidth,
                    levels: [...row.querySelectorAll('.topic-level')].map(
                        level => [level.textContent, level.offsetHeight]),
                };
            }"""
        ).json_value()
        assert found["width"] <= 260
        assert [text for text, _ in found["levels"]] == [f"/{one}" for one in topic[1:].split("/")]
        assert max(height for _, height in found["levels"]) <= 24, found


def test_device_is_deleted_by_a_click_that_is_asked_about(opened, emulator):
    key = f"{PRODUCT_KEY}/to-delete"
    emulator.api("POST", "/api/devices", {"product_key": PRODUCT_KEY, "device_name": "to-delete"})
    with opened(f"/device/{key}") as page:
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        assert key in emulator.devices()
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("button", name="Delete device").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Devices")
        expect(page.get_by_text("to-delete")).to_have_count(0)
    assert key not in emulator.devices()


def test_views_at_phone_width_fit_and_show_tables_as_cards(opened, emulator, board):
    with opened("/", viewport=PHONE) as page:
        for path in ("/", f"/device/{BOARD}", "/messages", "/faults", "/new"):
            page.goto(emulator.console + path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            if path in ("/", "/messages"):
                expect(page.locator(".q-table__grid-item-card").first).to_be_visible()
                expect(page.locator("tbody")).to_have_count(0)
            too_wide = "document.documentElement.scrollWidth - window.innerWidth"
            assert page.evaluate(too_wide) <= 0, path


def test_appearance_follows_the_system_until_one_is_chosen(opened):
    dark = re.compile("body--dark")
    with opened("/faults", scheme="dark") as page:
        expect(page.locator("body")).to_have_class(dark)
        page.locator("header button").click()
        page.get_by_text("Light", exact=True).click()
        expect(page.locator("body")).not_to_have_class(dark)
        page.get_by_role("link", name="New device").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("New device")
        expect(page.locator("body")).not_to_have_class(dark)
    with opened("/faults", scheme="light") as page:
        expect(page.locator("body")).not_to_have_class(dark)


def test_page_away_from_loopback_needs_the_password_and_is_live_with_it(browser):  # noqa: F811
    options = ["--console-host", "0.0.0.0", "--quiet"]  # noqa: S104
    with EmulatorProcess([QUIET], options) as guarded:
        password = re.search(r"password: (\S+)", guarded.output)[1]
        login = {"username": "me", "password": password}
        with browser.open(guarded.console, http_credentials=login) as page:
            expect(page.get_by_text("never seen", exact=True)).to_be_visible()
            authenticate(guarded, QUIET)  # seen over the websocket, which has the cookie only
            expect(page.get_by_text("Authenticated, no report yet.")).to_be_visible()
        wrong = {"username": "me", "password": password[:-1]}
        with browser.open("about:blank", http_credentials=wrong) as page:
            assert page.goto(guarded.console).status == 401


def test_emulator_without_a_visitor_does_not_load_the_page(tmp_path):
    """NiceGUI costs half a second and 40 MB: only a browser makes it come."""
    loaded = "import sys, tools.emulator.server; sys.exit('nicegui' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded]).returncode == 0
