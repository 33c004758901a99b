# make demo      the main job on the bundled corpus, from nothing
# make test      the tests, from nothing
# make test-all  the same, and what repeats a law at another size
# make test-large  what `make test` leaves out
# make test-small  without files that take longer than seconds
# make docs      the site, with the tutorial's sounds and notebooks
# make silent-docs  the same without sounds, which take longest
# make torture   load, hostile requests, kills, damaged files, full disks
# PYTHON=python3.13 takes the second lock of requirements.txt.

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv-$(VERSION)
RUN := $(VENV)/bin/python
TESTS := $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all test-large test-small torture docs silent-docs lint clean

demo: $(VENV)/demo
	$(RUN) train_main.py --workdir=runs/demo

test: $(VENV)/test
	$(TESTS) -m 'not large'

test-all: $(VENV)/test
	$(TESTS)

test-large: $(VENV)/test
	$(TESTS) -m large

test-small: $(VENV)/test
	$(TESTS) -m 'not large and not medium'

torture: $(VENV)/test
	TF_CPP_MIN_LOG_LEVEL=3 TORTURE=long $(RUN) -m pytest -s tests/torture

SITE := $(RUN) -m sphinx -E -W --keep-going -q -c docs -d $(VENV)/doctrees

docs: $(VENV)/docs
	$(RUN) -m docs.tutorial sounds & sounds=$$!; \
	  $(RUN) -m docs.tutorial notebooks && wait $$sounds
	$(SITE) . site
	@echo site/index.html

silent-docs: $(VENV)/docs
	$(RUN) -m docs.tutorial notebooks
	$(SITE) -D with_sounds=0 . site

lint: $(VENV)/test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# pip says nothing while it works.
INSTALLING := @echo "Installing packages into $(VENV); minutes, once."

$(VENV)/demo: requirements.txt
	$(INSTALLING)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/test: requirements.txt requirements-test.txt
	$(INSTALLING)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements-test.txt
	touch $@ $(VENV)/demo

$(VENV)/docs: requirements.txt requirements-docs.txt
	$(INSTALLING)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements-docs.txt
	touch $@ $(VENV)/demo

clean:
	rm -rf .venv-* runs site
