"""`linkpost image`: factory images of a device list.

command -> job (many, on all cores) -> build (one).
"""
