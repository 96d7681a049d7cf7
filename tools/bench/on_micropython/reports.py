"""Reports to the emulator, ours and by MicroPython's own `requests`, in turns. See reports.py.

Runs on the unix port. Ours is verified, on fresh and on kept connections; theirs is as people
write it, which verifies nothing and cannot keep a connection. Prints one JSON object.
"""

import gc
import json
import os
import sys
import time

OPTIONS = json.loads(os.getenv("LINKPOST_OPTIONS"))
PAYLOAD = b'{"stream":"9f2c41aa","seq":17,"time":1524448722000,"temperature":21.5,"humidity":40}'


class Tokens:
    """A token store that keeps it in RAM: no file takes part in what is compared."""

    token = None

    def load(self):
        return self.token

    def save(self, token):
        self.token = token


def heap_kept(work):
    gc.collect()
    before = gc.mem_alloc()
    kept = work()
    gc.collect()
    return gc.mem_alloc() - before, kept


def import_theirs():
    import requests

    return requests


def import_ours():
    from linkpost import Client, Config

    return Client, Config


def measure(report):
    """Return (us, bytes allocated) of one call; nothing is collected meanwhile."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    start = time.ticks_us()
    report()
    us = time.ticks_diff(time.ticks_us(), start)
    allocated = gc.mem_alloc() - before
    gc.enable()
    return us, allocated


def main():
    theirs_kept, requests = heap_kept(import_theirs)
    ours_kept, (Client, Config) = heap_kept(import_ours)
    from linkpost.ports.host import HostPort

    config = Config(OPTIONS["config"])
    port = HostPort()
    tokens = Tokens()
    client_kept, client = heap_kept(lambda: Client(config, port=port, tokens=tokens))
    topic = config.topic
    client.publish(topic, PAYLOAD)  # authenticates, and loads what is loaded when used
    url = "https://%s/topic%s" % (config.endpoint, topic)
    headers = {"Content-Type": "application/octet-stream", "password": tokens.token}

    def theirs():
        reply = requests.post(url, data=PAYLOAD, headers=headers)
        if reply.json()["code"] != 0:
            raise ValueError(reply.text)
        reply.close()

    def ours_fresh():
        client.close()
        client.publish(topic, PAYLOAD)

    def ours_kept_alive():
        client.publish(topic, PAYLOAD)

    runs = {"theirs": theirs, "fresh": ours_fresh, "kept": ours_kept_alive}
    kinds = OPTIONS["kinds"]
    found = {name: [] for name in kinds}
    for _ in range(OPTIONS["rounds"]):
        for name in kinds:
            found[name].append(measure(runs[name]))
    client.close()
    print(
        json.dumps(
            {
                "import": {"theirs": theirs_kept, "ours": ours_kept, "client": client_kept},
                "runs": found,
                "payload_bytes": len(PAYLOAD),
            }
        )
    )


if __name__ == "__main__":
    main()
    sys.exit(0)
