"""`python -m tools` is the `linkpost` command, where it is not installed as one."""

from .cli import main

main()
