"""The port contract on fakes of both chips and on the desktop, check by check."""

import fakes_chip
import fakes_wifi
from contract import port_contract
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.host import HostPort
from linkpost.ports.rp2 import RP2Port


def esp32_port(chip, module=None):
    network = fakes_wifi.Network(chip, fakes_wifi.Air(), fakes_wifi.ESP32Station)
    module = module or fakes_chip.ESP32Module()
    return ESP32Port(chip.machine, network, module, chip.time)


def rp2_port(chip):
    network = fakes_wifi.Network(chip, fakes_wifi.Air(), fakes_wifi.CYW43Station)
    return RP2Port(chip.machine, network, chip.implementation, chip.time)


class _GC:
    """gc.mem_free is MicroPython's own; CPython stands in with a number."""

    @staticmethod
    def mem_free():
        return 200_000


def _check_all(port):
    said = []
    failed = port_contract.run(port, said.append)
    assert failed == 0, "\n".join(said)
    assert len(said) == len(port_contract.CHECKS) + 1
    return said


def _on_chip(make_port):
    # The chips' heap is asked through gc.mem_free, which CPython lacks.
    import gc

    from linkpost.ports import chip as chip_module
    from linkpost.ports import esp32 as esp32_module

    if not hasattr(gc, "mem_free"):
        chip_module.gc = esp32_module.gc = _GC
    try:
        return _check_all(make_port())
    finally:
        chip_module.gc = esp32_module.gc = gc


def test_contract_esp32_every_check_passes():
    said = _on_chip(lambda: esp32_port(fakes_chip.ESP32Chip()))
    assert not [line for line in said if line.startswith("skip")], said


def test_contract_esp32_s3_every_check_passes():
    chip = fakes_chip.ESP32Chip()
    said = _on_chip(lambda: esp32_port(chip, fakes_chip.ESP32S3Module()))
    assert not [line for line in said if line.startswith("skip")], said


def test_contract_pico_w_every_check_passes():
    said = _on_chip(lambda: rp2_port(fakes_chip.RP2Chip()))
    assert not [line for line in said if line.startswith("skip")], said


def test_contract_pico_2_w_every_check_passes():
    chip = fakes_chip.RP2Chip("Raspberry Pi Pico 2 W with RP2350", (1, 29, 0, ""))
    said = _on_chip(lambda: rp2_port(chip))
    assert not [line for line in said if line.startswith("skip")], said


def test_contract_desktop_every_check_passes():
    _check_all(HostPort())


class _Virtual:
    """The virtual board's `machine`, as far as the contract asks for it."""

    WATCHDOG_MAX_MS = 8388
    RETAINED_BYTES = 64

    def __init__(self):
        self._kept = bytes(64)

    def retained(self):
        return self._kept

    def retain(self, data):
        self._kept = bytes(data) + self._kept[len(data) :]

    def cause(self):
        return "hard"

    def lightsleep(self, ms):
        import time

        time.sleep(ms / 2000)  # it comes back early


def test_contract_virtual_board_every_check_passes():
    _check_all(HostPort(_Virtual()))


def test_contract_port_that_breaks_it_fails():
    class Broken(HostPort):
        def retained(self):
            return b"?"

        def unix_ms(self):
            return 12.5

    said = []
    assert port_contract.run(Broken(), said.append) == 2, said
