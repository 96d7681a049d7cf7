"""The boards that linkpost knows: what stands in boards/NAME/board.toml, checked.

title, chip_name    for people; chip_name as esptool writes it
chip                as esptool names it: esp32, esp32s3, ...; rp2040, rp2350
port                MicroPython's port: esp32 or rp2
usb_ids             "vid:pid" of what it shows on USB, itself or its bridge
[firmware]          the pinned MicroPython: version, url, file_name (a pattern), offset (esp32: of
                    the .bin in flash; rp2: where the flash is in memory), has_native_digests
                    (its hashlib has md5 and sha1)
  image_chip_id, baud       esp32: the chip in the image's header, the speed of flashing
  uf2_family, uf2_volume    rp2: the family id of the blocks, the boot loader's drive
[flash]             size in bytes, of the usual module; file_system_start; file_system_end:
                    "flash", to the end of what the chip has, or "firmware", fixed at `size`;
                    block_size, read_size, prog_size of littlefs
[limits]            watchdog_max_ms, retained_bytes (outlive a reset), can_deep_sleep,
                    has_temperature (of the chip, worth the name; the default sensor)
[pins]              the example sensors' pins: led (optional), sda, scl, dht, onewire, analog
[gpio]              the pins there are, as spans [first, last]: numbers, those that MicroPython
                    takes (ports/esp32/machine_pin.h, ports/rp2/boards/*/pins.csv) and that neither
                    flash nor radio hang on; input_only; adc, those that analog works on beside
                    Wi-Fi; names (texts that stand for a pin); i2c_buses (how many the chip has)
"""

from __future__ import annotations

import functools
import importlib.util
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..terminal.failures import CommandError

ESP32 = "esp32"
RP2 = "rp2"

_TOP: dict[str, Any] = {"title": str, "chip": str, "chip_name": str, "port": str, "usb_ids": list}
_FIRMWARE: dict[str, Any] = {
    "version": str,
    "url": str,
    "file_name": str,
    "offset": int,
    "has_native_digests": bool,
}
_FIRMWARE_OF: dict[str, dict[str, Any]] = {
    ESP32: {"image_chip_id": int, "baud": int},
    RP2: {"uf2_family": int, "uf2_volume": str},
}
_FLASH: dict[str, Any] = {
    "size": int,
    "file_system_start": int,
    "file_system_end": str,
    "block_size": int,
    "read_size": int,
    "prog_size": int,
}
_LIMITS: dict[str, Any] = {
    "watchdog_max_ms": int,
    "retained_bytes": int,
    "can_deep_sleep": bool,
    "has_temperature": bool,
}
_GPIO: dict[str, Any] = {
    "numbers": list,
    "input_only": list,
    "adc": list,
    "names": list,
    "i2c_buses": int,
}
_PINS: dict[str, Any] = {"sda": int, "scl": int, "dht": int, "onewire": int, "analog": int}


@dataclass(frozen=True)
class Board:
    """One kind of board; see the module's docstring. Sizes in bytes, `name` as MicroPython's."""

    name: str
    title: str
    chip: str
    chip_name: str
    port: str
    usb_ids: tuple[str, ...]
    version: str
    url: str
    file_name: str
    offset: int
    has_native_digests: bool
    size: int
    file_system_start: int
    file_system_end: str
    block_size: int
    read_size: int
    prog_size: int
    watchdog_max_ms: int
    retained_bytes: int
    can_deep_sleep: bool
    has_temperature: bool
    pins: dict[str, int | str]
    gpio: frozenset[int]
    input_only: frozenset[int]
    adc: frozenset[int]
    pin_names: frozenset[str]
    i2c_buses: int
    image_chip_id: int | None = None
    baud: int | None = None
    uf2_family: int | None = None
    uf2_volume: str | None = None

    def block_count(self, flash_bytes: int | None = None, start: int | None = None) -> int:
        """Return how many blocks the file system has.

        Args: flash_bytes, what the chip has, where it is not the usual `size`; start, where the
        firmware at hand begins it, where that is not `file_system_start`.
        Raises: CommandError where that leaves no room, or the firmware fixes the size.
        """
        if flash_bytes is not None and self.file_system_end != "flash":
            if flash_bytes != self.size:
                raise CommandError(f"the firmware of {self.name} is for {self.size:,} bytes")
            flash_bytes = None
        begin = self.file_system_start if start is None else start
        count = ((flash_bytes or self.size) - begin) // self.block_size
        if count < 16:
            raise CommandError(
                f"a flash of {flash_bytes:,} bytes has no room for files behind MicroPython"
            )
        return count


def board_of_build(build: str) -> Board | None:
    """Return the board of a MicroPython's `sys.implementation._build`; None where none is known.

    A variant's name has more behind the board's: "ESP32_GENERIC-SPIRAM".
    """
    return boards().get(build.partition("-")[0])


def find_board(name: str) -> Board:
    """Return the board of that name, in any case of letters. Raises: CommandError."""
    known = boards()
    board = known.get(name.upper())
    if board is None:
        raise CommandError(f"no board {name}; there are: {', '.join(known)}")
    return board


@functools.cache
def boards() -> dict[str, Board]:
    """Return all boards by name. Raises: CommandError for a board.toml that is not as it has to
    be."""
    folders = [path for path in sorted(_folder().iterdir()) if (path / "board.toml").is_file()]
    return {
        path.name: read_board(path.name, (path / "board.toml").read_bytes()) for path in folders
    }


def folder_of(name: str) -> Path:
    """Return the folder of a board, with its README and its config.example.json."""
    return _folder() / name


def read_board(name: str, text: bytes) -> Board:
    """Return the board that a board.toml describes. Raises: CommandError that names the key."""
    try:
        data = tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"boards/{name}/board.toml: {error}") from error
    port = data.get("port")
    if not isinstance(port, str) or port not in _FIRMWARE_OF:
        raise CommandError(f"boards/{name}/board.toml: port must be one of: esp32, rp2")
    values = _take(name, "", data, _TOP, ("firmware", "flash", "limits", "pins", "gpio"))
    for part, keys in (
        ("firmware", {**_FIRMWARE, **_FIRMWARE_OF[port]}),
        ("flash", _FLASH),
        ("limits", _LIMITS),
    ):
        values.update(_take(name, f"{part}.", data.get(part), keys))
    pins = dict(data["pins"]) if isinstance(data.get("pins"), dict) else {}
    led = pins.pop("led", None)
    values["pins"] = _take(name, "pins.", pins, _PINS)
    if led is not None:
        values["pins"]["led"] = led
    gpio = _take(name, "gpio.", data.get("gpio"), _GPIO)
    values["gpio"] = _numbers(name, "numbers", gpio)
    values["input_only"] = _numbers(name, "input_only", gpio)
    values["adc"] = _numbers(name, "adc", gpio)
    values["pin_names"] = frozenset(gpio["names"])
    values["i2c_buses"] = gpio["i2c_buses"]
    values["usb_ids"] = tuple(str(number).lower() for number in values["usb_ids"])
    board = Board(name=name, **values)
    _check(board)
    return board


def _take(
    name: str, prefix: str, data: Any, keys: dict[str, Any], more: tuple[str, ...] = ()
) -> dict[str, Any]:
    where = f"boards/{name}/board.toml: {prefix}"
    if not isinstance(data, dict):
        raise CommandError(f"{where.rstrip('.')} is missing")
    for key in data:
        if key not in keys and key not in more:
            raise CommandError(f"{where}{key} is not a known key")
    for key, kind in keys.items():
        if key not in data:
            raise CommandError(f"{where}{key} is missing")
        if type(data[key]) is not kind:
            raise CommandError(f"{where}{key} must be of type {kind.__name__}")
    return {key: data[key] for key in keys}


def _numbers(name: str, key: str, gpio: dict[str, Any]) -> frozenset[int]:
    """Return the numbers of spans [first, last]."""
    found: set[int] = set()
    for span in gpio[key]:
        if not isinstance(span, list) or [type(end) for end in span] != [int, int]:
            raise CommandError(f"boards/{name}/board.toml: gpio.{key} must be [first, last] pairs")
        found.update(range(span[0], span[1] + 1))
    return frozenset(found)


def _check(board: Board) -> None:
    where = f"boards/{board.name}/board.toml: "
    if board.file_system_end not in ("flash", "firmware"):
        raise CommandError(f"{where}flash.file_system_end must be flash or firmware")
    if not 0 < board.read_size <= board.block_size or board.block_size <= 0:
        raise CommandError(f"{where}flash.read_size must be 1 to block_size")
    if not 0 < board.prog_size <= board.block_size:
        raise CommandError(f"{where}flash.prog_size must be 1 to block_size")
    if not 0 <= board.file_system_start < board.size:
        raise CommandError(f"{where}flash.file_system_start must lie in the flash")
    if board.file_system_start % board.block_size or board.size % board.block_size:
        raise CommandError(f"{where}flash.size and file_system_start must be whole blocks")
    for pin in board.pins.values():
        if pin not in board.gpio | board.pin_names:
            raise CommandError(f"{where}pins: {pin} is none of gpio.numbers and gpio.names")


def _folder() -> Path:
    beside = Path(__file__).parent.parent.parent / "boards"
    if beside.is_dir():
        return beside
    spec = importlib.util.find_spec("linkpost_boards")  # installed from a wheel
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the boards are not installed; install linkpost again")
    return Path(next(iter(spec.submodule_search_locations)))
