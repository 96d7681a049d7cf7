# The one place that states the version of firmware and tools.
VERSION = "0.1.0"
