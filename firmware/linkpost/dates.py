"""Dates of the Gregorian calendar, without `time.gmtime`: that counts from 2000 on some chips, and
its 32 bits end in 2038. Loaded when needed (`loader`): a clock is set once a boot.
"""

# Before 2025 a clock cannot be right: linkpost did not exist. A chip that lost its time starts at
# 2000 (esp32) or 2021 (rp2): docs/porting.md, "Clock and ticks".
CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000
# After 2075 it cannot be right either; NTP's next era (2036) is told apart by this too.
CLOCK_CEILING_UNIX_MS = 3_313_526_400_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def can_be_right(unix_ms: int) -> bool:
    """Tell whether that time lies after the first build and before 2075."""
    return CLOCK_FLOOR_UNIX_MS <= unix_ms < CLOCK_CEILING_UNIX_MS


def parse_http_date(text: str):
    """Return the Unix ms of `Sun, 06 Nov 1994 08:49:37 GMT`, or None for anything else.

    Source: RFC 9110 section 5.6.7, the preferred form; the two obsolete ones count as anything
    else. The day's name is not compared.
    """
    if len(text) != 29 or text[3:5] != ", " or text[25:] != " GMT":
        return None
    if text[7] + text[11] + text[16] != "   " or text[19] + text[22] != "::":
        return None
    numbers = []
    for start, end in ((5, 7), (12, 16), (17, 19), (20, 22), (23, 25)):
        digits = text[start:end]
        # Not isdigit: CPython counts superscripts and other scripts as digits. By bytes, not
        # characters: each of those is a name, which MicroPython keeps for good.
        if not all(0x30 <= byte <= 0x39 for byte in digits.encode()):
            return None
        numbers.append(int(digits))
    day, year, hour, minute, second = numbers
    if text[8:11] not in _MONTHS:
        return None
    month = _MONTHS.index(text[8:11]) + 1
    # 60 is a leap second.
    if not 1 <= day <= days_in_month(year, month) or hour > 23 or minute > 59 or second > 60:
        return None
    seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1000


def days_in_month(year: int, month: int) -> int:
    """Return 28 to 31."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


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
    # A guess that is never too late, and early by a year at most.
    year = 1970 + days * 400 // 146_097
    while days_from_civil(year, 1, 1) > days:
        year -= 1
    while days_from_civil(year + 1, 1, 1) <= days:
        year += 1
    left = days - days_from_civil(year, 1, 1)
    month = 1
    while left >= days_in_month(year, month):
        left -= days_in_month(year, month)
        month += 1
    # 1970-01-01 was a Thursday.
    return (
        year,
        month,
        left + 1,
        second // 3600,
        second // 60 % 60,
        second % 60,
        (days + 3) % 7,
    )
