"""What the firmware's objects and errors look like where secrets are in them; on both runtimes.

Run by test_secrets_messages.py in a folder with config.json, given.json and `certs`; all that it
prints is looked through there. Before each error stands what was tried.
"""

import json
import os
import sys


def show(what, *objects):
    """Print an object as logs, REPLs and `%` would."""
    print("#", what)
    for item in objects:
        print(repr(item), str(item), "%s %r" % (item, item), [item])


def fail(what, function, *arguments):
    """Call it, and print the error it has to raise in all the ways one is printed."""
    try:
        function(*arguments)
    except Exception as error:
        show("%s: %s" % (what, type(error).__name__), error, error.args)
        show_traceback(error)
    else:
        print("# %s: no error" % what)


def show_traceback(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, sys.stdout)
    else:
        import traceback

        traceback.print_exception(error, file=sys.stdout)


def bad_values(value):
    """What a person may write instead, the secret among it."""
    return ([value], {"x": value}, 5, True, "", "\n" + value, value * 9)


def show_bad_configs(data):
    from linkpost import Config
    from linkpost.config_rules import parse

    secret, password = data["device_secret"], data["wifi"]["password"]
    for key in ("endpoint", "topic", "sensors", "wifi", "outbox", "interval_s", "client_id",
                "product_key", "device_name", "device_secret", "sign_method", "ntp", "led_pin",
                "country", "hostname", "format", "sleep", "watchdog_s"):  # fmt: skip
        for value in bad_values(key) + bad_values(secret) + bad_values(password):
            fail("config " + key, Config, merged(data, {key: value}))
    for key in ("ssid", "password", "country", "hostname"):
        for value in bad_values(password):
            wifi = [data["wifi"], merged(data["wifi"], {key: value})]
            fail("config wifi " + key, Config, merged(data, {"wifi": wifi}))
    fail("config unknown key", Config, merged(data, {"device_secert": secret}))
    fail("config list", Config, [secret, password])
    text = json.dumps(data)
    for cut in range(0, len(text), 9):
        fail("config cut", parse, text[:cut].encode(), "config.json")
    fail("config comma", parse, text.replace(",", "").encode(), "config.json")
    fail("config bytes", parse, text.encode() + b"\xff", "config.json")


def show_wifi(password):
    """Join with that password where another one is right, on fakes of both chips."""
    import fakes_chip
    import fakes_wifi
    from test_wifi import Wifi, boot

    for chip in (fakes_chip.ESP32Chip, fakes_chip.RP2Chip):
        port = boot(chip, fakes_wifi.Air(lab=("another one", True)))
        wifi = Wifi(port, [("lab", password), ("away", password)])
        fail("wifi", wifi.connect, 120_000)
        show("radio", wifi, port)


class Door:
    """A sensor that lets the app run until it has tried to send, and then presses Ctrl-C."""

    app = None

    def read(self):
        if self.app.last_error is not None:
            raise KeyboardInterrupt
        return {"door": True}


def show_log(config, client):
    """Let an app fail to send its readings, and say so in its log."""
    from linkpost import App

    door = Door()
    door.app = App(config, sensors=[door], client=client)
    try:
        door.app.run()
    except KeyboardInterrupt:
        show("app", door.app, door.app.last_error)


def merged(data, changes):
    both = dict(data)
    both.update(changes)
    return both


def main(options):
    from linkpost import App, Client, Config
    from linkpost.aio import Client as AioClient
    from linkpost.storage.tokens import TokenStore

    config = Config.load("config.json")
    with open("config.json") as file:
        data = json.load(file)
    token = options["token"]
    store = TokenStore("token", (config.product_key, config.device_secret))
    store.save(token)
    client = Client(config, tokens=store)
    app = App(config, client=client)
    show("objects", config, client, app, store, AioClient(config))
    for owner in (client, app, client._connection):
        for value in owner.__dict__.values():
            if hasattr(value, "__dict__"):
                show("part", value)

    show_bad_configs(data)
    fail("topic", client.publish, "/" + "x" * 200, b"x")
    fail("payload", client.publish, config.topic, b"")
    fail("token file", TokenStore("no/such/folder", (config.device_secret,)).save, token)

    show_wifi(data["wifi"]["password"])
    wrong = Config(merged(data, {"device_secret": options["wrong_secret"], "interval_s": 0.05}))
    show_log(wrong, Client(wrong, tokens=TokenStore("other", ())))

    for what, changes in (
        ("wrong secret", {"device_secret": options["wrong_secret"]}),
        ("nobody there", {"endpoint": "localhost:9"}),
        ("no such name", {"endpoint": "a" * 80 + ".invalid"}),  # nobody is asked
    ):
        other = Config(merged(data, changes))
        fail(what, Client(other, tokens=TokenStore("other", ())).publish, config.topic, b"x")
    for name in os.listdir("certs"):
        os.remove("certs/" + name)
    other = Client(config, tokens=TokenStore("other", ()))
    fail("no anchors", other.publish, config.topic, b"x")
    print("# end")


if __name__ == "__main__":
    with open("given.json") as given:
        main(json.load(given))
