"""`make package`: wheel, source archive and what mip installs, into build/package."""

from __future__ import annotations

import shutil
import sys

from ..files.kept import kept_dir
from ..terminal.failures import CommandError
from . import byte_code, wheel


def main() -> int:
    """Make everything anew; return the exit code."""
    out = kept_dir() / "package"
    shutil.rmtree(out, ignore_errors=True)
    try:
        made = [*wheel.build(out), *byte_code.build(out / "mip")]
    except CommandError as error:
        print(f"package: {error}", file=sys.stderr)
        return error.exit_code
    for path in made:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
