"""`linkpost board`: boards without hardware, of the virtual board and of the emulated chip."""
