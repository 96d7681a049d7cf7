"""DHT11 and DHT22 (AM2302), with the driver that MicroPython's firmware carries.

The driver fetches five bytes and checks their sum. What they mean is decided here: its own reading
of them knows no tenths and no frost of a DHT11, and not the clones of the DHT22.

Source: Aosong, AM2302 datasheet (16 bits each in tenths, the temperature's highest bit is its
sign); ASAIR, DHT11 datasheet version 1.3 (whole and tenths in a byte each, the highest bit of the
temperature's tenths is its sign; older ones leave the tenths 0). The clones that count below zero
in two's complement: adafruit/DHT-sensor-library issue 182, arendst/Tasmota issue 14165. Frames of
zeros, whose sum is right: AnaviTechnology/anavi-thermometer-sw pull request 60.
"""

from ..errors import SensorError


class DHT22:
    """Reads `temperature` in degrees Celsius and `humidity` in percent, in tenths.

    A read that fails is tried once more after the sensor's pause; asked again sooner than that,
    it gives the last values, which are then at most two seconds old.

    Args: pin, number or name of the data pin; driver, a class as `DHTBase` of the firmware's
    `dht`.
    """

    kind = "dht22"
    OPTIONS = {"pin": ((int, str), True)}

    # The sensor's own ranges, and the pause it needs between two reads.
    TEMPERATURE = (-40, 80)
    HUMIDITY = (0, 100)
    PAUSE_MS = 2000

    def __init__(self, port, pin, driver=None):
        if driver is None:
            import dht  # type: ignore[import-not-found]

            driver = dht.DHTBase
        self._port = port
        self._pin = pin
        self._driver = driver(port.pin(pin))
        self._values = None
        self._read_ms = None

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
        if self._read_ms is None:
            return 0
        left_ms = self.PAUSE_MS - (self._port.uptime_ms() - self._read_ms)
        # The uptime is late where nobody asked for it in six days: no reason to wait for days.
        return left_ms if 0 < left_ms <= self.PAUSE_MS else 0

    def _wait(self):
        left_ms = self._left_ms()
        while left_ms:
            self._port.feed()
            self._port.sleep_ms(min(left_ms, 500))
            left_ms = self._left_ms()

    def _measure(self):
        self._read_ms = self._port.uptime_ms()
        try:
            self._driver.measure()
        except OSError:
            raise SensorError("no answer on pin %s; check wiring and pull-up" % self._pin)
        except Exception as error:  # the driver's checksum error is a bare Exception
            if "checksum" not in str(error):
                raise
            raise SensorError("checksum error on pin %s" % self._pin)
        frame = self._driver.buf
        if not any(frame):
            raise SensorError("nothing but zeros on pin %s; check wiring and power" % self._pin)
        temperature, humidity = self._tenths(frame)
        _check_range("temperature", temperature, self.TEMPERATURE)
        _check_range("humidity", humidity, self.HUMIDITY)
        self._values = {"temperature": temperature / 10, "humidity": humidity / 10}

    def _tenths(self, frame):
        """Return temperature and humidity in tenths."""
        temperature = frame[2] << 8 | frame[3]
        if temperature & 0x8000:
            # A sign and an amount, which never needs the next bit; in two's complement, it is set.
            temperature = temperature - 0x10000 if temperature & 0x4000 else 0x8000 - temperature
        return temperature, frame[0] << 8 | frame[1]


class DHT11(DHT22):
    """The DHT11; those that know neither frost nor tenths give whole degrees and percent."""

    kind = "dht11"
    TEMPERATURE = (-20, 60)
    # A DHT22 that is called a DHT11 seems to give 0 to 3 percent.
    HUMIDITY = (5, 100)
    PAUSE_MS = 1000

    def _tenths(self, frame):
        tenths = frame[3] & 0x7F
        if frame[1] > 9 or tenths > 9:
            raise SensorError("no DHT11's values on pin %s; is it a DHT22?" % self._pin)
        temperature = frame[2] * 10 + tenths
        return -temperature if frame[3] & 0x80 else temperature, frame[0] * 10 + frame[1]


def _check_range(name, tenths, limits):
    if not limits[0] * 10 <= tenths <= limits[1] * 10:
        raise SensorError("%s %.1f is out of the sensor's range" % (name, tenths / 10))
