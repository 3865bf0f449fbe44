# make run     set everything up and open the dashboard on CartPole-v1
# make test    set everything up and run every test
# make format  bring the code into shape: ruff for Python, prettier for the page's scripts
# make libraries  test against other people's training libraries and on a Ray cluster; downloads them
# make lowest  test with the lowest versions that pyproject.toml allows; downloads them
# make bench   print the tables of speed, latency and frame size
# make clean   remove what the others set up
#
# All of it goes into .venv and .tools here; a second call finds it done.

VENV := .venv
BIN := $(VENV)/bin
TYPESCRIPT := 7.0.2
PRETTIER_VERSION := 3.10.1
PRETTIER := .tools/node_modules/.bin/prettier
NODE_TOOLS := .tools/typescript-$(TYPESCRIPT)-prettier-$(PRETTIER_VERSION).done
NPM := $(shell command -v node >/dev/null 2>&1 && command -v npm 2>/dev/null)
# What is never imported is never compiled: torch alone has two thousand files.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

.PHONY: run setup test format libraries lowest bench clean chromium
.DELETE_ON_ERROR:

run: $(VENV)/run.done
	@$(BIN)/ppo-scope serve

setup: $(VENV)/test.done $(if $(NPM),$(NODE_TOOLS))

# Each of its many processes imports torch: half the time of that is compiling, where nobody may keep what was compiled.
test: setup chromium
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

format: $(VENV)/test.done $(NODE_TOOLS)
	@$(BIN)/ruff check --quiet --fix backend tests benchmarks
	@$(BIN)/ruff format --quiet backend tests benchmarks
	@$(PRETTIER) --write --log-level warn 'frontend/**/*.js'

libraries: $(VENV)/libraries.done
	@$(BIN)/python -m pytest tests/attach/libraries tests/ray

lowest: $(VENV)/test.done
	@PPO_SCOPE_LOWEST=1 $(BIN)/python -m pytest tests/test_lowest_versions.py

bench: $(VENV)/test.done chromium
	@$(BIN)/python -m benchmarks.frames
	@$(BIN)/python -m benchmarks.probes
	@$(BIN)/python -m benchmarks.latency
	@$(BIN)/python -m benchmarks.crowd
	@$(BIN)/python -m benchmarks.page
	@$(BIN)/python -m benchmarks.keeping
	@$(BIN)/python -m benchmarks.throughput

clean:
	rm -rf $(VENV) .tools build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# A name on the PATH may be too old, or a shim with nothing behind it: only running it tells.
$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    found=$$python; \
	    "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	    exec "$$python" -m venv --clear $(VENV); \
	done; \
	if [ -n "$$found" ]; then \
	    echo "$$found cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv" >&2; \
	else \
	    echo "PPO Scope needs Python 3.11 or newer, and none was found. Install one, or name it: make run PYTHON=/path/to/python" >&2; \
	fi; \
	exit 1

$(VENV)/run.done: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PPO Scope into $(VENV): once, and mostly the download of torch."
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/test.done: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PPO Scope and what its tests need into $(VENV)."
	@$(INSTALL) --editable '.[test]'
	@touch $(VENV)/run.done $@

$(VENV)/libraries.done: $(VENV)/test.done
	@echo "Installing other people's training libraries."
	@$(INSTALL) --editable '.[libraries]'
	@touch $@

$(NODE_TOOLS):
	@echo "Installing the type checker and the formatter of the page's scripts."
	@$(NPM) install --silent --no-save --no-fund --no-audit --prefix .tools typescript@$(TYPESCRIPT) prettier@$(PRETTIER_VERSION)
	@touch $@

chromium: $(VENV)/test.done
	@$(BIN)/python -c 'import sys; from tests.live import find_chromium; sys.exit(find_chromium() is None)' \
	    || $(BIN)/python -m playwright install chromium
