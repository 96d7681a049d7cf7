"""Who a board on a port is: asked in one go, without importing anything of linkpost on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..firmware import deploy_record

ASK = f"""
import gc,sys,os
gc.collect()
def _linkpost_who():
 import hashlib
 i=sys.implementation
 try:
  s=os.statvfs('/');f=s[0]*s[3];t=s[0]*s[2]
 except Exception:
  f=t=0
 try:
  with open({deploy_record.PATH!r}) as r:d=r.read(300)
 except OSError:
  d=None
 u=os.uname() if hasattr(os,'uname') else None
 _linkpost_tell(repr((i[0],tuple(i[1])[:3],sys.platform,getattr(i,'_machine',u and u[4]),
  getattr(i,'_build',''),getattr(i,'_mpy',0),
  hasattr(hashlib,'md5') and hasattr(hashlib,'sha1'),f,t,d)))
_linkpost_who()
"""


@dataclass(frozen=True)
class Identity:
    """Who a board says it is."""

    platform: str  # sys.platform: "esp32", "rp2", "linux" for a virtual board
    machine: str  # "Raspberry Pi Pico W with RP2040"
    build: str  # the firmware's board name, "ESP32_GENERIC"; "" where it does not tell
    micropython: tuple[int, ...]  # (1, 27, 0)
    mpy_version: int  # of the byte code it loads; 0: none
    native_digests: bool  # hashlib has md5 and sha1
    free_bytes: int  # on the flash
    total_bytes: int
    linkpost: str | None  # version of a complete deploy, else None
    main_sha256: str | None  # of the main.py that came with it

    @property
    def chip(self) -> str | None:
        """Return the port file it needs: "esp32", "rp2" or "host"; None: linkpost has none."""
        return {"esp32": "esp32", "rp2": "rp2", "linux": "host", "darwin": "host"}.get(
            self.platform
        )

    def __str__(self) -> str:
        version = ".".join(map(str, self.micropython))
        return f"{self.machine or self.platform}, MicroPython {version}"


def from_answer(answer: tuple[Any, ...]) -> Identity:
    """Return who a board is, from what `ASK` printed there."""
    _, version, platform, machine, build, mpy, digests, free, total, record = answer
    deployed = deploy_record.parse(record)
    return Identity(
        platform=platform,
        machine=machine or "",
        build=build,
        micropython=version,
        mpy_version=mpy & 0xFF,
        native_digests=digests,
        # A full littlefs counts its free blocks wrongly: more than there are means none.
        free_bytes=free if free <= total else 0,
        total_bytes=total,
        linkpost=deployed.version,
        main_sha256=deployed.main_sha256,
    )
