"""What every command shares at a terminal: exit codes, progress, spans of time, next steps."""
