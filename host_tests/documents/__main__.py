"""`make docs`: writes what is generated in README and docs.

    python -m host_tests.documents

The table that `make bench` measures is not written here: it is of one run.
"""

from __future__ import annotations

import sys

from tools import firmware

firmware.enable_imports()

from host_tests.documents import generated  # noqa: E402  it asks the firmware's own modules


def main() -> int:
    """Write each generated page that differs; return the exit code."""
    for path, text in generated.pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(generated.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
