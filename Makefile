# The commands of this house. Each sets up what it needs first; what is up to date is left alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv/bin
BOOTSTRAP := $(PYTHON) scripts/bootstrap.py
TOO_OLD := Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv
ifneq ($(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null),True)
$(error $(TOO_OLD))
endif

.PHONY: help setup run test test-long fuzz fuzz-native lint bench

help:
	@echo "make run        everything: set-up, database, first accounts, all processes"
	@echo "make test       set-up and the tests with the real parts (ten minutes at most)"
	@echo "make test-long  soaks, timers and fuzz runs (up to an hour)"
	@echo "make fuzz       hostile input for every parser: SECONDS=300, or INPUTS=10000000; TARGETS=\"sip-via sdp\""
	@echo "make fuzz-native hostile packets for the relay in C, under sanitizers: SECONDS=300"
	@echo "make lint       style, types, import rules, long files and functions"
	@echo "make bench      benchmarks beside their peers: a table and var/bench.json; PARTS=\"calls latency\""

setup:
	@$(BOOTSTRAP) all

run:
	@$(BOOTSTRAP) all
	@exec $(VENV)/python manage.py up

test:
	@$(BOOTSTRAP) python packages native frontend messages
	@$(VENV)/python scripts/test.py

test-long:
	@$(BOOTSTRAP) python packages native frontend messages
	@$(VENV)/python scripts/test.py --long

fuzz:
	@$(BOOTSTRAP) python
	@nice -n 19 $(VENV)/python scripts/fuzz.py $(SECONDS:%=--seconds %) $(INPUTS:%=--inputs %) $(TARGETS)

fuzz-native:
	@$(BOOTSTRAP) python packages
	@nice -n 19 $(VENV)/python scripts/fuzz_native.py $(SECONDS:%=--seconds %)

lint:
	@$(BOOTSTRAP) python modules
	@$(VENV)/python scripts/lint.py

bench:
	@$(BOOTSTRAP) python packages native
	@$(VENV)/python scripts/bench.py $(PARTS)
