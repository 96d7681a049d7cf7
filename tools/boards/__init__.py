"""`linkpost boards`: what is plugged in, and what is supported."""
