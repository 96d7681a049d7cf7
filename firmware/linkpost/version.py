# The one place that states the version of firmware and tools, and when it was released: no board
# that runs it can be earlier than that, whatever its clock shows.
VERSION = "0.1.0"
RELEASED_UNIX_MS = 1_795_392_000_000  # 2026-11-23
