"""`linkpost outbox`: the readings that wait on a board: shown, saved in a file, forgotten."""
