"""README and docs: what is generated in them, and the tests that every word of them still holds.

`make docs` writes what is generated; nobody writes it by hand.
"""
