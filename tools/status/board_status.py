"""How a board is: asked in one go, by its own firmware where that is there as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .. import firmware
from ..usb.board import UsbBoard
from ..usb.identity import Identity

# Tells the fields of BoardStatus, in order. Uptime counts from when the firmware was loaded, so
# it is told only where that was before we came. A file's time counts from the same epoch as
# time.time(), on each port.
_ASK = """
import sys,gc,os,time
def _linkpost_status(whole):
 n='linkpost.ports'
 ran=n in sys.modules
 p=None
 if ran or whole:
  from linkpost import ports
  p=ports.detect()
 gc.collect()
 try:s=os.stat('/token');age=int(time.time())-s[8] if s[8] else -1
 except OSError:age=None
 trouble=None
 if ran:
  from linkpost.log import Log
  trouble=getattr(Log,'trouble',None)
 try:h=p.heap(True)
 except AttributeError:h={'free':gc.mem_free(),'total':gc.mem_free()+gc.mem_alloc()}
 name=None
 w=p and p.station()
 try:
  if w and w.isconnected():name=w.config('ssid')
 except Exception:pass
 _linkpost_tell(repr((ran,p and p.name,ran and p.uptime_ms() or None,p and p.reset_cause(),
  h,getattr(p,'free_at_rest',None),p and p.unix_ms(),p and p.clock_marked(),
  age,bool(w),name,p and p.wifi_rssi(),trouble)))
"""


@dataclass(frozen=True)
class BoardStatus:
    """What a board says of itself; None stands for what it could not tell."""

    ran: bool  # the app was loaded in this boot
    port: str | None  # of the firmware: "esp32", "rp2", "host"
    uptime_ms: int | None
    reset_cause: str | None
    heap: dict[str, int]  # bytes: total, free, largest block; of an ESP32's IDF heap idf_free, ...
    free_at_rest: int | None  # of the heap, after this boot's first report
    unix_ms: int | None  # of its clock
    clock_right: bool | None  # it was set, and is a time that can be
    token_age_s: int | None  # by its clock, below 0 where not known; None: there is no token
    has_radio: bool
    ssid: str | None  # of the network that it has joined
    rssi: int | None
    trouble: str | None  # the newest log line of this boot that warned


def ask_status(board: UsbBoard, who: Identity) -> BoardStatus:
    """Return the board's status. Its program is stopped.

    The firmware is imported there only after a complete deploy: an incomplete one may hang it.
    """
    answer = board.ask_value(f"{_ASK}_linkpost_status({who.linkpost is not None})")
    found = BoardStatus(*answer)
    firmware.enable_imports()
    from linkpost.version import can_be_right

    if found.clock_right and found.unix_ms is not None and not can_be_right(found.unix_ms):
        # A Pico remembers over a reset that its clock was set, and the clock begins anew.
        found = replace(found, clock_right=False)
    return found
