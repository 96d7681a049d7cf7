"""The port contract on fakes of both chips and on the desktop, check by check.

And every function of what is loaded for a moment is called on every port: a typo in one shows only
then.
"""

import fakes_chip
import fakes_wifi
from contract import port_contract
from linkpost.errors import ConfigError
from linkpost.ports import boots_rare, chip_rare, host_rare, radio_rare, rp2, sleep_rare
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

    @staticmethod
    def mem_alloc():
        return 50_000

    @staticmethod
    def collect():
        pass


def _check_all(port):
    said = []
    failed = port_contract.run(port, said.append)
    assert failed == 0, "\n".join(said)
    assert len(said) == len(port_contract.CHECKS) + 1
    return said


def _on_chip(make_port):
    return _with_gc(lambda: _check_all(make_port()))


def _with_gc(work):
    # The chips' heap is asked through gc.mem_free, which CPython lacks.
    import gc

    if not hasattr(gc, "mem_free"):
        chip_rare.gc = rp2.gc = _GC
        chip_rare.bytearray = bytes  # no MemoryError there
    try:
        return work()
    finally:
        if chip_rare.gc is _GC:
            del chip_rare.bytearray
        chip_rare.gc = rp2.gc = gc


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

    def WDT(self, timeout):  # noqa: N802 - MicroPython's name
        return self

    def feed(self):
        pass

    def feed_for(self, ms):
        pass

    def reset(self):
        raise fakes_chip.Reset

    def deepsleep(self, ms):
        raise fakes_chip.Reset

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


# -- every function of what is rare ---------------------------------------------------------------


def _own_names(module):
    """Return the names of the functions that a module has of its own."""
    function = type(_own_names)
    names = [name for name in dir(module) if type(getattr(module, name)) is function]
    return [name for name in names if name not in ("load", "const")]


def _watched(module, called):
    """Let a module's own functions note that they were called; return {name: function}."""
    own = {name: getattr(module, name) for name in _own_names(module)}
    for name in own:
        setattr(module, name, _noting(name, own[name], called))
    return own


def _noting(name, function, called):
    def noted(*arguments):
        called.append(name)
        return function(*arguments)

    return noted


def _use_what_a_board_would_not_survive(port):
    """What the contract leaves out: watchdog, sleep and reset."""
    try:
        port.start_watchdog(100_000_000)
    except ConfigError:
        pass
    port.start_watchdog(8_000)
    port.feed_for(2_000)
    port.feed_for(0)
    port.feed_for(None)
    port.light_sleep(20)
    port.set_unix_ms(1_800_000_000_000)
    port.mark_clock(True)
    port.start_station("CN", "name")
    port.wifi_status()
    port.wifi_code()
    port.wifi_rssi()
    port.stop_station()
    if port.has_radio:
        port.pin(4)
        port.analog(34 if port.name == "esp32" else 26)()
        port.led(2)(1)
    try:
        port.reset()
    except fakes_chip.Reset:
        port.reset_cause()
    if port.can_deep_sleep:
        try:
            port.deep_sleep(10)
        except fakes_chip.Reset:
            pass


def test_every_function_that_is_loaded_for_a_moment_is_called_on_its_port():
    chips = (boots_rare, radio_rare, chip_rare, sleep_rare)
    by_chips = []  # no chip needs all of what they share: each on one of them
    for make, modules in (
        (lambda: esp32_port(fakes_chip.ESP32Chip()), chips),
        (lambda: rp2_port(fakes_chip.RP2Chip()), chips),
        (lambda: HostPort(_Virtual()), (host_rare,)),
    ):
        called = []
        own = [(module, _watched(module, called)) for module in modules]
        try:
            port = make()
            _with_gc(lambda port=port: port_contract.run(port, lambda line: None))
            _use_what_a_board_would_not_survive(port)
        finally:
            for module, functions in own:
                for name in functions:
                    setattr(module, name, functions[name])
        if modules is chips:
            by_chips += called
        else:
            assert [name for name in _own_names(host_rare) if name not in called] == []
    for module in chips:
        assert [name for name in _own_names(module) if name not in by_chips] == []


# -- what promises not to raise -------------------------------------------------------------------


class _BrokenStation:
    """A driver whose every call raises, as the esp32's do with no memory."""

    PM_NONE = 0

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        def call(*arguments, **named):
            raise self.error

        return call


class _BrokenTimer:
    """Stands for the class `machine.Timer`."""

    PERIODIC = 1

    def __init__(self, error):
        self.error = error

    def __call__(self, number, **settings):
        raise self.error


DRIVERS_RAISE = (
    OSError("Wifi Not Started"),
    OSError(257),
    RuntimeError("Wifi Unknown Error 0x0101"),
    MemoryError(),
    ValueError("unknown config param"),
)


def test_driver_raises_anything_what_promises_not_to_raise_does_not():
    for make in (
        lambda: esp32_port(fakes_chip.ESP32Chip()),
        lambda: rp2_port(fakes_chip.RP2Chip()),
    ):
        for error in DRIVERS_RAISE:
            port = make()
            port._wlan = _BrokenStation(error)
            assert port.wifi_status() == "failed", error
            assert port.wifi_code() is None, error
            assert port.wifi_rssi() is None, error
            port.stop_station()
            port.start_watchdog(8_000)
            port._machine.WDT = port._wlan.init
            port._machine.Timer = _BrokenTimer(error)
            port.feed_for(1_000)
            port.feed_for(None)
            port.feed_for(0)


def test_driver_raises_once_joined_the_signal_is_none():
    class Up(_BrokenStation):
        def __init__(self, error, code):
            self.error = error
            self.code = code

        def status(self, what=None):
            if what is None:
                return self.code
            raise self.error

    for port, code in (
        (esp32_port(fakes_chip.ESP32Chip()), 1010),
        (rp2_port(fakes_chip.RP2Chip()), 3),
    ):
        for error in DRIVERS_RAISE:
            port._wlan = Up(error, code)
            assert port.wifi_status() == "up" and port.wifi_rssi() is None
