# Everything runs in an environment of its own, .venv, made on first use: needs Python, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := cnnir passes exporters tests benchmarks examples docs

.PHONY: demo test lint types unit bench docs format clean

demo: $(VENV)/.installed  ## plan the real networks that ship inside the onnx package
	$(BIN)/python examples/demo.py

test: lint types unit  ## every check

lint: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/basedpyright

unit: $(VENV)/.dev
	$(BIN)/python -m pytest

bench: $(VENV)/.dev  ## ratios against peers
	$(BIN)/python -m benchmarks.light

docs: $(VENV)/.dev  ## pages that are made from the code
	$(BIN)/python docs/generate.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
