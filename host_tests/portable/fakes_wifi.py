"""`network` without a radio: two stations as docs/porting.md, "Wi-Fi", has them.

The `Air` says which access points there are; what a driver tells about them, and when, is its own.
Their traps are here on purpose: the ESP32's refusal of a second connect(), its "connecting" for
ever while its tries are not limited, an isconnected() that stays True after the access point has
gone, the CYW43's status 2, its active() that tells the link's state instead.
"""


class Air:
    """The access points in reach: {ssid: (password, gives addresses)}."""

    def __init__(self, **points):
        self.points = points
        self.reason = 0  # of an ESP32's driver, whatever is tried
        self.flukes = 0  # so many tries fail with a reason that is not true
        self.scan_ms = 2_400  # until a driver knows that there is no such access point
        self.refuse_ms = 4_000  # until it knows that the password is wrong
        self.join_ms = 1_500
        self.address_ms = 800


class _Station:
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __init__(self, chip, air, network):
        self._chip = chip
        self._air = air
        self._network = network
        self.powered = False
        self.polls = False  # the driver has work pending, and a light sleep comes back at once
        self.starts = 0
        self.connects = []
        self.settings = {}
        self.country_at_start = None
        self.hostname_at_start = None
        self._forget()

    def _forget(self):
        self._ssid = None
        self._outcome = ""
        self._since_ms = 0

    def active(self, up=None):
        if up is None:
            return self.powered
        if up and not self.powered:
            self.starts += 1
            self.country_at_start = self._network.country_set
            self.hostname_at_start = self._network.hostname_set
        if not up:
            self._forget()
        self.powered = bool(up)
        return self.powered

    def connect(self, ssid, key=None):
        self.connects.append(ssid)
        self._ssid = ssid
        self._since_ms = self._chip.now_ms
        if self._air.flukes:
            self._air.flukes -= 1
            self._outcome = "not found"
        elif ssid not in self._air.points:
            self._outcome = "not found"
        else:
            password, gives_addresses = self._air.points[ssid]
            if key != password:
                self._outcome = "wrong password"
            else:
                self._outcome = "joined" if gives_addresses else "no address"

    def _passed_ms(self):
        return self._chip.now_ms - self._since_ms

    def _associated(self):
        return self._outcome in ("joined", "no address") and (
            self._passed_ms() >= self._air.join_ms
        )

    def isconnected(self):
        # What the access point does later does not show here: that is the trap.
        return self._outcome == "joined" and (
            self._passed_ms() >= self._air.join_ms + self._air.address_ms
        )

    def config(self, name=None, **settings):
        if name is not None:
            if name != "ssid":
                raise ValueError("unknown config param")
            return self._ssid or ""
        if not self.powered:
            raise OSError("Wifi Not Started")
        self.settings.update(settings)
        return None


class ESP32Station(_Station):
    """WLAN on esp32."""

    def connect(self, ssid, key=None):
        if not self.powered:
            raise OSError("Wifi Not Started")
        if self._ssid is not None:
            raise OSError("Wifi Internal Error")
        super().connect(ssid, key)

    def disconnect(self):
        if not self.powered:
            raise OSError("Wifi Not Started")
        self._forget()

    def status(self, what=None):
        if what == "rssi":
            if not self._associated():
                raise OSError("Wifi Not Connected")
            return -61
        if self.isconnected():
            return 1010
        if self._ssid is None:
            return 1000
        tries = self.settings.get("reconnects", 0)
        if self._air.reason and tries:
            return self._air.reason
        reason, try_ms = {
            "not found": (201, self._air.scan_ms),
            "wrong password": (15, self._air.refuse_ms),
        }.get(self._outcome, (0, 0))
        if reason and tries and self._passed_ms() >= tries * try_ms:
            # Only the last try's reason is kept: after a 15 it is 205 (MicroPython issue 11625).
            return 205 if reason == 15 and tries > 1 else reason
        return 1001


class CYW43Station(_Station):
    """WLAN on rp2."""

    def active(self, up=None):
        if up is None:
            return self.status() != 0
        # Down is not gone: the driver goes on polling until deinit().
        self.polls = True
        return super().active(up)

    def connect(self, ssid, key=None):
        if not self.powered:
            raise OSError(-1)
        super().connect(ssid, key)

    def disconnect(self):
        self._forget()

    def deinit(self):
        self.powered = False
        self.polls = False
        self._forget()

    def status(self, what=None):
        if what == "rssi":
            return -61 if self._associated() else 0
        if self._ssid is None:
            return 0
        if self.isconnected():
            return 3
        if self._associated():
            return 2
        if self._outcome == "not found" and self._passed_ms() >= self._air.scan_ms:
            return -2
        if self._outcome == "wrong password" and self._passed_ms() >= self._air.refuse_ms:
            return -3
        return 1


class Network:
    """The module `network`. `WLAN` may be called as often as one likes: one station."""

    STA_IF = 0

    def __init__(self, chip, air, station_class):
        self.country_set = None
        self.hostname_set = None
        self._station = station_class(chip, air, self)
        chip.wlan = self._station

    def country(self, code):
        if len(code) != 2:
            raise ValueError
        self.country_set = code

    def hostname(self, name):
        if len(name) > 32:
            raise ValueError
        self.hostname_set = name

    def WLAN(self, interface):  # noqa: N802 - MicroPython's name
        assert interface == self.STA_IF
        return self._station
