"""A sensor with no hardware, for demos and tests."""

from ..errors import SensorError


class Simulated:
    """A plausible room: the same values in the same order in every run.

    Args:
        fail_every: raise SensorError on every n-th read; 0 never.
    """

    kind = "simulated"
    OPTIONS = {"fail_every": ((int,), False)}

    def __init__(self, port=None, fail_every=0):
        self._fail_every = fail_every
        self._reads = 0

    def read(self):
        self._reads += 1
        if self._fail_every and self._reads % self._fail_every == 0:
            raise SensorError("simulated failure")
        # A day of 96 reads as a triangle, -24..24, and noise of -3..3 from a small generator.
        day = self._reads % 96
        swing = 24 - abs(day - 48)
        noise = (self._reads * 1_103 + 12_345) // 7 % 7 - 3
        return {
            "temperature": (215 + swing + noise) / 10,
            "humidity": (460 - 2 * swing + 3 * noise) / 10,
        }
