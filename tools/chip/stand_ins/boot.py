# linkpost: written by `linkpost board chip`, and only there. A boot.py of your own is in /chip and
# runs after it.
import sys

sys.path.append("/chip")
import chip_start

sys.path.remove("/chip")
del sys.modules["chip_start"]
exec(chip_start.user)
del chip_start, sys
