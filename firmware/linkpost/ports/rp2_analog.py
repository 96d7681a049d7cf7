"""An analog pin of a Pico. By itself, so that who keeps the function keeps no more than this."""


def reader(adc):
    """Return a function that reads an ADC in microvolts (int)."""
    read = adc.read_u16
    return lambda: read() * 3_300_000 // 65535
