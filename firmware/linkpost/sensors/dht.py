"""DHT11 and DHT22 (AM2302), with the driver that MicroPython's firmware carries."""

from micropython import const

from ..errors import SensorError

# One decimal is what the sensors give; their own multiplication by 0.1 leaves more.
_DIGITS = const(1)


class DHT22:
    """Reads `temperature` in degrees Celsius and `humidity` in percent.

    A read that fails is tried once more after the sensor's pause; asked again sooner than that,
    it gives the last values, which are then at most two seconds old.

    Args: pin, number or name of the data pin; driver, a class as in the firmware's `dht`.
    """

    kind = "dht22"
    OPTIONS = {"pin": ((int, str), True)}

    # The sensor's own ranges, and the pause it needs between two reads.
    TEMPERATURE = (-40, 80)
    HUMIDITY = (0, 100)
    PAUSE_MS = 2000

    def __init__(self, port, pin, driver=None):
        if driver is None:
            driver = self._driver_class()
        self._port = port
        self._pin = pin
        self._driver = driver(port.pin(pin))
        self._values = None
        self._read_ticks = None

    @staticmethod
    def _driver_class():
        import dht  # type: ignore[import-not-found]

        return dht.DHT22

    def read(self):
        if self._left_ms() == 0:
            self._values = None
        if self._values is None:
            self._wait()
            try:
                self._measure()
            except SensorError:
                self._wait()
                self._measure()
        return dict(self._values)

    def _left_ms(self):
        """Return what is left of the sensor's pause, in ms."""
        if self._read_ticks is None:
            return 0
        passed = self._port.ticks_diff(self._port.ticks_ms(), self._read_ticks)
        return max(0, self.PAUSE_MS - passed)

    def _wait(self):
        left_ms = self._left_ms()
        while left_ms:
            self._port.feed()
            self._port.sleep_ms(min(left_ms, 500))
            left_ms = self._left_ms()

    def _measure(self):
        self._read_ticks = self._port.ticks_ms()
        try:
            self._driver.measure()
        except OSError:
            raise SensorError("no answer on pin %s; check wiring and pull-up" % self._pin)
        except Exception as error:  # the driver's checksum error is a bare Exception
            if "checksum" not in str(error):
                raise
            raise SensorError("checksum error on pin %s" % self._pin)
        temperature = round(self._driver.temperature(), _DIGITS)
        humidity = round(self._driver.humidity(), _DIGITS)
        _check_range("temperature", temperature, self.TEMPERATURE)
        _check_range("humidity", humidity, self.HUMIDITY)
        self._values = {"temperature": temperature, "humidity": humidity}


class DHT11(DHT22):
    """The DHT11: whole degrees and percent, 0 to 50 degrees."""

    kind = "dht11"
    TEMPERATURE = (0, 50)
    PAUSE_MS = 1000

    @staticmethod
    def _driver_class():
        import dht  # type: ignore[import-not-found]

        return dht.DHT11


def _check_range(name, value, limits):
    if not limits[0] <= value <= limits[1]:
        raise SensorError("%s %s is out of the sensor's range" % (name, value))
