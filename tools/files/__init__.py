"""Files that the tools read and write: whole or not at all, one process at a time."""
