"""`make package`: what is given out, made from the source tree; it is not in the wheel itself.

wheel          the wheel, and the source archive that makes the same one
byte_code      what `mpremote mip install` installs: all, and a Client alone
package_json   `package.json` of the source tree, by which mip finds the sources
"""
