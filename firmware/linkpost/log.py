"""The log line: one contract for people, `linkpost monitor` and tests.

    12.345 I send accepted seq=17 ms=412

Seconds since boot, level (D I W E), area (app wifi clock send store sensor), a phrase that does
not change, then key=value. A value with spaces stands in double quotes.
"""


class Log:
    """Writes log lines. Nothing secret is ever handed to it.

    trouble   the newest line of level W or E in this boot, whoever wrote it; None: there was none
    """

    trouble = None  # of the class: `linkpost status` asks for it after the app was stopped

    def __init__(self, port, write=print):
        self._port = port
        self._write = write

    def debug(self, area: str, phrase: str, *pairs) -> None:
        """Write a D line; `pairs` are keys and values in turn."""
        self._line("D", area, phrase, pairs)

    def info(self, area: str, phrase: str, *pairs) -> None:
        """Write an I line."""
        self._line("I", area, phrase, pairs)

    def warning(self, area: str, phrase: str, *pairs) -> None:
        """Write a W line."""
        self._line("W", area, phrase, pairs)

    def error(self, area: str, phrase: str, *pairs) -> None:
        """Write an E line."""
        self._line("E", area, phrase, pairs)

    def _line(self, level, area, phrase, pairs):
        ms = self._port.uptime_ms()
        parts = ["%d.%03d" % (ms // 1000, ms % 1000), level, area, phrase]
        for i in range(0, len(pairs), 2):
            parts.append("%s=%s" % (pairs[i], _value(pairs[i + 1])))
        text = " ".join(parts)
        if level in "WE":
            Log.trouble = text
        self._write(text)


def _value(value):
    text = str(value)
    # One line is one event: what came from a peer or a sensor cannot make a second one.
    clean = "".join([c if " " <= c != '"' else "'" if c == '"' else " " for c in text])
    return '"%s"' % clean if " " in clean or not clean else clean
