# The two commands are `make run` and `make test`; `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The folder of this file, so that `make -C` and `make -f` work from anywhere.
HERE := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV := $(HERE)/.venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input

.PHONY: help run install test soak audit containers pictures lint format docs bench lock clean

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' '$(HERE)/Makefile' | expand -t 10

run: install ## Install what is missing, start the whole bot, show its live status (Ctrl-C ends it)
	@cd '$(HERE)' && exec '$(VENV)/bin/okxbot' up

install: $(VENV)/.installed ## Create the virtual environment and install the locked dependencies

test: $(VENV)/.installed-dev ## Run every test
	@cd '$(HERE)' && '$(PY)' -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS) || { \
	  echo 'Once more, one at a time: what failed beside others. Real processes on a busy machine may be late; what fails twice is broken.'; \
	  exec '$(PY)' -m pytest --last-failed --last-failed-no-failures none $(ARGS); }

soak: $(VENV)/.installed-dev ## The long proofs (about an hour); ARGS="schedules --count 20 --seed 7" for a part
	@cd '$(HERE)' && exec '$(PY)' -m soak $(or $(ARGS),all)

audit: ## Ask the public advisory database about the locked versions (needs the network)
	@test -x '$(HERE)/.venv-audit/bin/pip-audit' || { python3 -m venv '$(HERE)/.venv-audit' && '$(HERE)/.venv-audit/bin/python' -m pip install -q pip-audit; }
	@cd '$(HERE)' && exec .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

containers: $(VENV)/.installed-dev ## Build the image and prove docker-compose.yml on a Docker engine
	@cd '$(HERE)' && exec '$(PY)' -m soak containers

pictures: $(VENV)/.installed-dev ## Check the dashboards against Grafana's types and draw them (needs Node, Chromium)
	@cd '$(HERE)' && '$(PY)' -m tests.grafana.looks types && exec '$(PY)' -m tests.grafana.looks pictures $(or $(ARGS),/tmp/okxbot-dashboards)

lint: $(VENV)/.installed-dev ## Check style, types and the walls between the rooms
	@cd '$(HERE)' && sh runtime/lint.sh '$(VENV)/bin'

format: $(VENV)/.installed-dev ## Rewrite the sources in the project's style
	@cd '$(HERE)' && '$(VENV)/bin/ruff' check --fix-only --quiet . ; '$(VENV)/bin/ruff' format .

docs: $(VENV)/.installed ## Rewrite docs/configuration.md, .env.example and docs/outcomes.md from what decides
	@cd '$(HERE)' && '$(PY)' -m runtime.configuration_reference && exec '$(PY)' -m paper.reference

bench: $(VENV)/.installed-dev ## Measure; ARGS="NAME… --json" as for `okxbot bench`
	@cd '$(HERE)' && exec '$(VENV)/bin/okxbot' bench $(ARGS)

lock: ## Resolve requirements*.in into requirements*.lock anew (needs the package index)
	@test -x '$(HERE)/.venv-lock/bin/uv' || { '$(PY)' -m venv '$(HERE)/.venv-lock' && '$(HERE)/.venv-lock/bin/python' -m pip install -q uv; }
	@cd '$(HERE)' && lock() { .venv-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header "$$@"; } && \
	  lock requirements.in -o requirements.lock && \
	  lock requirements-dev.in -c requirements.lock -o requirements-dev.lock

clean: ## Remove the virtual environment and caches (never the bot's home folder)
	@rm -rf '$(VENV)' '$(HERE)/.venv-lock' '$(HERE)/.venv-audit' '$(HERE)/build' '$(HERE)'/*.egg-info
	@rm -rf '$(HERE)/.mypy_cache' '$(HERE)/.ruff_cache' '$(HERE)/.pytest_cache' '$(HERE)/.hypothesis' '$(HERE)/.import_linter_cache'
	@find '$(HERE)' -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(HERE)/requirements.lock $(HERE)/setup.cfg $(HERE)/pyproject.toml
	@sh '$(HERE)/runtime/install.sh' '$(HERE)' requirements.lock .installed

$(VENV)/.installed-dev: $(HERE)/requirements-dev.lock $(HERE)/setup.cfg $(HERE)/pyproject.toml
	@sh '$(HERE)/runtime/install.sh' '$(HERE)' requirements-dev.lock .installed-dev
