"""`linkpost monitor`: the board's log, live; `log_line` takes a line apart, `view` shows it."""
