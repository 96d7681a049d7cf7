"""The whole life of an App at a given heap, stage by stage: how far does it get?

TLS is the computer's, so the heap is what it is on an ESP32, whose TLS lies outside of it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip.emulated_board import EmulatedBoard, readings
from tools import firmware
from tools.emulator.faults import PARAMETERS
from tools.terminal.failures import CommandError

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
_STAGE_S = 120  # one that passes takes under 15
_EPOCH_1900_S = 2_208_988_800

# What is asked of each fault beside its kind.
_MORE = {
    "code": {"code": 30001},
    "status": {"status": 503},
    "delay": {"ms": 50},
    "drip": {"interval_ms": 1},
    "drip_record": {"interval_ms": 1},
    "drip_handshake": {"interval_ms": 1},
}

# Behind what main.py does before it builds the App.
_BOOT = """
app = App(Config.load("config.json"))
app.more = bytearray(%d) if %d else None
def send(ms):
    app.append({"n": 1})
    try:
        app.drain(ms)
    except Exception as error:
        print("answer:", type(error).__name__, error)
"""
_RUN = "app.run(reports=app.accepted + %d)"
_OUTAGE = """
for i in range(100):
    app.append({"n": i})
send(3000)
"""
_SEND = "send(%d)"
_DRAIN = """
app.drain(120000)
print("pending", app.pending)
"""
# Instead of the App, whose place it takes in a program.
_AIO = """
app = None
gc.collect()
import asyncio
from linkpost.aio import Client as AioClient
async def main():
    client = AioClient(Config.load("config.json"))
    print(await client.publish("/%s/%s/user/update", b"{}"))
    await client.close()
asyncio.run(main())
del main, AioClient
"""
_LOOK = """
gc.collect()
print("\\nheap", gc.mem_alloc())
"""
_OUT_OF_MEMORY = ("MemoryError", "emory", "ENOMEM")


class OutOfMemory(Exception):
    """A stage ran out of memory, or the board reset itself; the text is what it said."""


def live(
    folder: Path,
    heap: int,
    more: int = 0,
    tell: Callable[[str], None] = print,
    show: Callable[[bytes], None] = lambda data: None,
) -> tuple[int, int, str]:
    """Let an App live on a fresh board; return (stages passed, stages in all, why it ended).

    Args: heap: in all, in bytes. more: bytes that the App keeps beside its own.
    """
    with EmulatorProcess() as emulator, time_server() as ntp:
        emulated = EmulatedBoard(folder)
        emulated.put(
            emulator.platform,
            emulator.ca,
            main=b"from linkpost import aio",
            interval_s=1,
            ntp=[f"127.0.0.1:{ntp}"],
        )
        board_flash = emulated.flash  # the program above only says that aio is wanted
        with emulated.repl(heap=heap, tls_on_host=True) as repl:

            def step(script: str) -> str:
                heard = ""

                def look(data: bytes) -> None:
                    # An App without memory tries again and again: it is not waited for.
                    nonlocal heard
                    heard += data.decode(errors="replace")
                    show(data)
                    if any(word in heard for word in _OUT_OF_MEMORY) and heard.endswith("\n"):
                        raise OutOfMemory(heard[-600:])

                try:
                    output, error = repl.run(script.encode(), _STAGE_S, look)
                except CommandError as stopped:
                    text = repl.heard.decode(errors="replace")
                    raise OutOfMemory(f"{text[-600:]} {stopped}") from stopped
                text = (output + error).decode(errors="replace")
                if any(word in text for word in _OUT_OF_MEMORY):
                    raise OutOfMemory(text[-600:])
                assert not error, (board_flash, text)
                return text

            stages = _stages(emulator, step, more)
            for number, (name, stage) in enumerate(stages):
                try:
                    stage()
                    free = heap - int(step(_LOOK).rpartition("heap ")[2])
                except OutOfMemory as ended:
                    return number, len(stages), f"{name}: {ended}"
                tell(f"heap {heap}: {name}: {free} bytes free")
        return len(stages), len(stages), ""


def _stages(
    emulator: EmulatorProcess, step: Callable[[str], str], more: int
) -> list[tuple[str, Callable[[], None]]]:
    def boot() -> None:
        before, found, _ = firmware.main_py().read_text().partition("\nrun(")
        assert found, "main.py is not what it was"
        step(before + _BOOT % (more, more))

    def reports() -> None:
        text = step(_RUN % 3)
        assert "set by NTP" in text, text
        assert len(readings(emulator, DEVICE)) >= 3

    def outage() -> None:
        emulator.kill()
        assert "answer: " in step(_OUTAGE)
        emulator.restart()
        assert "pending 0" in step(_DRAIN)

    def dead_token() -> None:
        emulator.expire_tokens(DEVICE)
        step(_RUN % 1)

    def refusal() -> None:
        emulator.fault(endpoint="topic", kind="code", code=10001, times=1)
        step(_RUN % 2)

    def failure(kind: str) -> Callable[[], None]:
        def fail() -> None:
            emulator.fault(
                endpoint=None if kind == "drip_handshake" else "topic",
                kind=kind,
                times=1,
                **_MORE.get(kind, {}),
            )
            step(_SEND % 4000)
            emulator.clear_faults()
            step(_DRAIN)

        return fail

    def refused_device() -> None:
        emulator.set_enabled(DEVICE, False)
        emulator.expire_tokens(DEVICE)
        assert "answer: " in step(_SEND % 4000)
        emulator.set_enabled(DEVICE, True)

    def asyncio_client() -> None:
        step(_AIO % (PRODUCT_KEY, DEVICE_NAME))

    return [
        ("boot", boot),
        ("authentication, NTP, reports", reports),
        ("outage of 100 readings and its drain", outage),
        ("dead token", dead_token),
        ("refused reading", refusal),
        *((f"failure {kind}", failure(kind)) for kind in PARAMETERS if kind != "code"),
        ("refused device", refused_device),
        ("reports again", lambda: step(_RUN % 3) and None),
        ("asyncio client", asyncio_client),
    ]


@contextlib.contextmanager
def time_server() -> Iterator[int]:
    """Run an NTP server on this computer; yield its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    question, address = server.recvfrom(512)
                except TimeoutError:
                    continue
                now = struct.pack(">II", int(time.time()) + _EPOCH_1900_S, 0)
                reply = bytes([0x24, 2, 6, 0xEC]) + bytes(8) + b"GPS\0" + now
                server.sendto(reply + question[40:48] + now + now, address)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()
