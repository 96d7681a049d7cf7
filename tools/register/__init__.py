"""`linkpost register`: devices' secrets by their product's secret.

command -> run -> {registration (one device), secret_list (the file)}.
"""
