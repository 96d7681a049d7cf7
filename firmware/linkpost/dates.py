"""Dates of the Gregorian calendar, without `time.gmtime`: that counts from 2000 on some chips, and
its 32 bits end in 2038. Loaded when needed (`loader`): a clock is set once a boot.
"""

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def parse_http_date(text: str):
    """Return the Unix ms of `Sun, 06 Nov 1994 08:49:37 GMT`, or None for anything else.

    Source: RFC 9110 section 5.6.7, the preferred form; the two obsolete ones count as anything
    else, and so does a leap second. The day's name is not compared.
    """
    try:
        month = _MONTHS.index(text[8:11]) // 3 + 1
        days = days_from_civil(int(text[12:16]), month, int(text[5:7]))
        minutes = (days * 24 + int(text[17:19])) * 60 + int(text[20:22])
        seconds = minutes * 60 + int(text[23:25])
    except ValueError:
        return None
    # A date that is none (the 31st of November, 24:00) is written differently.
    year, month, day, hour, minute, second, _ = civil(seconds)
    name = _MONTHS[month * 3 - 3 : month * 3]
    written = ", %02d %s %04d %02d:%02d:%02d GMT" % (day, name, year, hour, minute, second)
    return seconds * 1000 if text[3:] == written else None


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a day of the Gregorian calendar, year 1 or later."""
    # Years that begin in March put the leap day last, and a month's start becomes linear:
    # (153 * m + 2) // 5 is 0, 31, 61, 92, 122, ... for m = 0 (March), 1, 2, ...
    if month < 3:
        year -= 1
        month += 12
    in_year = (153 * (month - 3) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719_468


def civil(unix_s: int) -> tuple:
    """Return (year, month, day, hour, minute, second, weekday), weekday 0 for Monday, in UTC."""
    days = unix_s // 86_400
    second = unix_s % 86_400
    # A guess that is never too early, and late by a year at most.
    year = 1971 + days * 400 // 146_097
    while days_from_civil(year, 1, 1) > days:
        year -= 1
    month = 12
    while days_from_civil(year, month, 1) > days:
        month -= 1
    day = days - days_from_civil(year, month, 1) + 1
    # 1970-01-01 was a Thursday.
    weekday = (days + 3) % 7
    return year, month, day, second // 3600, second // 60 % 60, second % 60, weekday
