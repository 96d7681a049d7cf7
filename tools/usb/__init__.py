"""A board on its USB port: found, asked, given files, and its program started again."""
