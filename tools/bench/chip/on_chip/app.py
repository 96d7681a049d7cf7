# An App as main.py builds it. What is done with it follows.
app = App(Config.load("config.json"))
