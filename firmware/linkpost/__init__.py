"""linkpost: reports readings to Alibaba Cloud IoT Platform over HTTPS, and loses none.

from linkpost import App, Client, Config, LinkpostError

A name is loaded when it is used, so that a Client does not pay for the App.
"""

import gc


def __getattr__(name):
    # What loading a module leaves behind, between what stays of it, is free before the next one:
    # in a heap of 56,000 there was no piece of 2 KB left otherwise, with 25 KB free.
    gc.collect()
    if name != name.lower():  # App is in app.py, VERSION in version.py, every error in errors.py
        module = "errors" if name.endswith("Error") else name.lower()
        return getattr(__import__("linkpost." + module, None, None, (name,)), name)
    # `from linkpost import ports`: MicroPython asks here before it looks for a module.
    if not name.startswith("_"):
        try:
            return __import__("linkpost." + name, None, None, (name,))
        except ImportError:
            pass
    raise AttributeError(name)
