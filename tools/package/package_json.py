"""`package.json`, by which `mpremote mip install` finds the files of the firmware.

It is made from the firmware, so that version and files stand in one place each; a test compares.
To write it anew: python -m tools.package.package_json
"""

from __future__ import annotations

import json
from pathlib import Path

from .. import firmware

_ROOT = Path(__file__).parent.parent.parent


def render() -> str:
    """Return the content of package.json for the firmware as it is."""
    package = firmware.package_dir()
    paths = [path.relative_to(package).as_posix() for path in package.rglob("*.py")]
    paths += [path.relative_to(package).as_posix() for path in package.rglob("*.der")]
    urls = ",\n".join(
        "    " + json.dumps([f"linkpost/{path}", f"firmware/linkpost/{path}"])
        for path in sorted(paths)
    )
    version = json.dumps(firmware.version())
    return f'{{\n  "version": {version},\n  "deps": [],\n  "urls": [\n{urls}\n  ]\n}}\n'


if __name__ == "__main__":
    (_ROOT / "package.json").write_text(render(), newline="\n")
