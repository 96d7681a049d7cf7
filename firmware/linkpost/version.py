# The one place that states the version of firmware and tools, and when it was released: no board
# that runs it can be earlier than that, whatever its clock shows.
VERSION = "0.1.0"
RELEASED_UNIX_MS = 1_795_392_000_000  # 2026-11-23

# Before 2025 a clock cannot be right: linkpost did not exist. A chip that lost its time starts at
# 2000 (esp32) or 2021 (rp2): docs/porting.md, "Clock and ticks".
CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000
# After 2075 it cannot be right either; NTP's next era (2036) is told apart by this too.
CLOCK_CEILING_UNIX_MS = 3_313_526_400_000


def can_be_right(unix_ms: int) -> bool:
    """Tell whether that time lies after the first build and before 2075."""
    return CLOCK_FLOOR_UNIX_MS <= unix_ms < CLOCK_CEILING_UNIX_MS
