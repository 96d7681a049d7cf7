"""`make package`: what is given out, made from the source tree; it is not in the wheel itself.

wheel          the wheel, and the source archive that makes the same one
package_json   `package.json`, by which `mpremote mip install` finds the firmware's sources
"""
