# linkpost: `make help` lists what there is to do.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Planned for two cores; two of four tests wait for something meanwhile.
JOBS ?= 4
# Seconds that the soak lasts.
SOAK_S ?= 120
# The board that is meant, and its port; found by itself where there is only one.
BOARD ?=
PORT ?=
# A module or folder of firmware/linkpost, or a package of tools: make quick ROOM=storage
ROOM ?=
# More options of a command: make deploy OPTIONS="--ca ca.pem"
OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick browser power wear soak test-chip test-wheel test-board bench bench-chip bench-check check lint types \
	screenshots docs package emulator send board boards flash provision deploy monitor status outbox register image factory certs fleet fuzz audit deploy-cuts \
	lock clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## The environment in .venv, everything pinned, with the linkpost command

$(VENV)/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "linkpost needs Python 3.11 or newer. Have one? make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "This Python cannot make environments. On Debian or Ubuntu: apt install python3-venv"; exit 2; }
	@echo "Setting up .venv: once, a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(PYTHON) tools/install.py $(BIN)/python -m pip install --disable-pip-version-check \
		--require-hashes -r requirements.txt
	@# setuptools warns in 400 lines that folders of data could be packages.
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## Emulator and a virtual board that reports to it; REPORTS=5 ends by itself
	@$(BIN)/linkpost demo

browser:  ## Chromium, for the tests of the console page (Debian and Ubuntu)
	@command -v chromium >/dev/null || { apt-get update && \
		apt-get install -y --no-install-recommends chromium; }

test: setup  ## Every test, on CPython and on real MicroPython
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

quick: setup  ## The tests of one room, under 40 s: make quick ROOM=storage; without ROOM: the rooms
	@$(BIN)/python -m host_tests.quick $(ROOM)

power: setup  ## Power cut at every flash write, again in recovery; memory that ends anywhere (long)
	$(BIN)/python -m host_tests.power.run --full
	$(BIN)/python -m host_tests.power.run --memory

wear: setup  ## What the outbox costs the flash, per reading, on both chips' settings
	MICROPYPATH=firmware:host_tests/power:.frozen \
		$(BIN)/micropython -X heapsize=32M host_tests/power/wear.py

soak: setup  ## Virtual boards against faults, power cuts and restarts; SOAK_S=600 for ten minutes
	$(BIN)/python -m tools.soak --seconds $(SOAK_S) $(OPTIONS)

fuzz: setup  ## Fuzz every parser of foreign data; SECONDS=600 for ten minutes a target
	$(BIN)/python -m host_tests.fuzz.run --seconds $(or $(SECONDS),60) --runs $(or $(RUNS),0)

deploy-cuts: setup  ## A deploy cut at every byte (hours); CUTS=257 for every 257th (minutes)
	LINKPOST_DEPLOY_CUTS=$(or $(CUTS),all) $(BIN)/python -m pytest --timeout=100000 \
		host_tests/deploy/test_deploy_cable.py

audit: setup  ## Known vulnerabilities of what is pinned (asks the internet)
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.txt

test-chip: setup  ## All tests on the chip's own build, emulated; an hour, and it may be stopped
	LINKPOST_REQUIRE_CHIP=1 LINKPOST_CHIP=all $(BIN)/python -m pytest -q host_tests/chip --timeout=3600

test-wheel: setup  ## The wheel, installed from the package index into an empty environment, and tried
	LINKPOST_WHEEL=index $(BIN)/python -m pytest -q host_tests/package/test_wheel.py --timeout=900

test-board: setup  ## Portable tests and port contract on the real board at PORT=...; 20 minutes on a Pico W
	$(BIN)/python -m host_tests.board_tests $(or $(PORT),auto)

bench: setup  ## What linkpost costs, beside MicroPython's requests: a table, and build/bench.json
	$(BIN)/linkpost bench $(OPTIONS)

bench-chip: setup  ## The same on the Pico W's own build (linkpost board chip): heap and cycles, kept in the tree
	$(BIN)/linkpost bench --chip $(OPTIONS)

bench-check: setup  ## The figures that are the same in each run, against their limits
	$(BIN)/linkpost bench --check --out build/bench-check.json
	$(BIN)/linkpost bench --chip --check

screenshots: setup  ## Pictures of each view of the console page, into docs/images
	$(BIN)/python -m host_tests.screenshots

docs: setup  ## What is generated in README and docs: commands, errors, the chip's figures
	$(BIN)/python -m host_tests.documents

package: setup  ## Wheel, source archive, and byte code for mpremote mip, into build/package
	$(BIN)/python -m tools.package

port = $(if $(PORT),--port $(PORT))

emulator: setup  ## The platform on this machine: make emulator OPTIONS="--device PK,DN,SECRET"
	@$(BIN)/linkpost emulator $(OPTIONS)

send: setup  ## Publish one message: make send OPTIONS="--config config.json --data hello"
	@$(BIN)/linkpost send $(OPTIONS)

board: setup  ## A virtual board: make board OPTIONS="run --config config.json --flash board.img"
	@$(BIN)/linkpost board $(OPTIONS)

boards: setup  ## Connected and supported boards
	@$(BIN)/linkpost boards $(OPTIONS)

flash: setup  ## Install MicroPython on a board: make flash BOARD=ESP32_GENERIC PORT=...
	@$(BIN)/linkpost flash $(BOARD) $(port) $(OPTIONS)

provision: setup  ## Ask for the settings, and write a board's config.json
	@$(BIN)/linkpost provision $(port) $(OPTIONS)

deploy: setup  ## Install the firmware on a board: make deploy OPTIONS="--ca ca.pem"
	@$(BIN)/linkpost deploy $(port) $(OPTIONS)

monitor: setup  ## The board's log, live
	@$(BIN)/linkpost monitor $(port) $(OPTIONS)

status: setup  ## A board's status
	@$(BIN)/linkpost status $(port) $(OPTIONS)

outbox: setup  ## A board's waiting readings
	@$(BIN)/linkpost outbox $(port) $(OPTIONS)

register: setup  ## Get secrets for a list of names: make register OPTIONS="--product-key PK ..."
	@$(BIN)/linkpost register $(OPTIONS)

image: setup  ## Flash images without a REPL: make image BOARD=... OPTIONS="--csv FILE --out DIR"
	@$(BIN)/linkpost image $(BOARD) $(OPTIONS)

factory: setup  ## One board after another: make factory BOARD=... OPTIONS="--csv FILE --ledger FILE"
	@$(BIN)/linkpost factory $(BOARD) $(port) $(OPTIONS)

certs: setup  ## Root certificates: days left, copies on the board, the endpoint's chain
	@$(BIN)/linkpost certs $(port) $(OPTIONS)

fleet: setup  ## Many simulated devices against an emulator: make fleet OPTIONS="--boards 200"
	@$(BIN)/linkpost fleet $(OPTIONS)

check: setup lint types bench-check  ## Lint and types; import arrows and module sizes are tests of `make test` too
	$(BIN)/python -m pytest -q host_tests/host/test_house.py

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The firmware against the stubs of each port (their files have the same names, so one folder
# each), without the files of the other ports; the tools against CPython's.
types: typings/.ready
	$(BIN)/mypy tools
	$(call firmware-types,esp32,ports/(rp2|host)(_.*)?\.py)
	$(call firmware-types,rp2-rpi-pico-w,ports/(esp32|host)(_.*)?\.py)
	$(call firmware-types,unix,ports/(rp2|esp32)(_.*)?\.py)

firmware-types = MYPYPATH=typings/$(1) $(BIN)/mypy --config-file mypy-firmware.ini \
	--custom-typeshed-dir typings/$(1) --cache-dir .mypy_cache/$(1) --exclude '$(2)' firmware

typings/.ready: requirements-stubs.txt | setup
	rm -rf typings
	for port in esp32 rp2-rpi-pico-w unix; do \
		awk "/^[a-z]/ {keep = /^micropython-$$port-stubs/ || /^micropython-stdlib-stubs/} keep" \
			requirements-stubs.txt > .venv/stubs-$$port.txt; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
			--require-hashes --target typings/$$port -r .venv/stubs-$$port.txt || exit 1; \
	done
	@touch $@

lock:  ## Pin the newest versions of everything, with hashes (needs uv)
	uv pip compile pyproject.toml --extra micropython --extra dev --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade -o requirements.txt
	printf 'micropython-%s-stubs\n' esp32 rp2-rpi-pico-w unix | uv pip compile - \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
		-o requirements-stubs.txt

clean:  ## Remove everything that make has made
	rm -rf $(VENV) build typings *.egg-info
