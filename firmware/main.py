# The composition root: load the config, build, run.
from linkpost import App, Config
from linkpost.boot import run

run(lambda: App(Config.load("config.json")).run())
