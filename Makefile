# `make demo` runs the main job, `make test` passes the tests; each sets up what it needs in .venv by itself.

PYTHON ?= python3
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A real S3 server for some tests, in an environment of its own. It runs on Linux only; elsewhere they are skipped.
SWIFT := $(if $(filter Linux,$(shell uname)),$(VENV)/.swift-ready)
LAYERS := api batches blocks cli doctor flows sandbox storage tasks
# Tests and demo keep Prefect's home, servers and keys to themselves, whatever this machine is set up for.
CLEAN := env -u PREFECT_API_URL -u PREFECT_API_KEY -u PREFECT_PROFILE

# Installs one of Debian's packages, after whoever else does so just now.
apt_install = { [ "$$(id -u)" = 0 ] \
	&& flock Makefile sh -c 'apt-get update && apt-get install -y --no-install-recommends $(1)'; }

# Tests start many processes; without bytecode each would compile Prefect anew, which doubles what they take.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage swift postgres redis chromium soak bench lint names types docs screenshots wheel audit check clean

demo: $(READY)
	@$(CLEAN) $(BIN)/python deployments/demo.py $(if $(KEEP),--keep)

test: $(READY) swift postgres redis chromium
	$(CLEAN) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# The same with coverage, which takes a third more processor time.
coverage: $(READY)
	$(BIN)/python -m coverage erase
	@$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"

# A real S3 server for the tests, on Linux.
swift: $(SWIFT)

# What Prefect's server keeps its data in while tests run; where it is not to be had they use SQLite, and are slower.
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
		|| $(call apt_install,postgresql) \
		|| echo "Without PostgreSQL: the tests' Prefect server uses SQLite."

# What the servers of a team tell each other by, for the test of many workers; where it is not to be had that is skipped.
redis:
	@command -v redis-server >/dev/null \
		|| $(call apt_install,redis-server) \
		|| echo "Without Redis: no test of many workers."

# The browser in which the forms are filled in; where it is not to be had those tests are skipped.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| $(call apt_install,chromium) \
		|| echo "Without Chromium: no tests of the UI."

# Much longer than the tests do: 300 videos by workers that are killed, 200 over the workers and servers of a team (on Linux,
# with Redis), and random lives of videos, new ones each time; then hostile replies, names, manifests, films and texts, some
# 20,000 to 100,000 of each.
soak: $(READY) postgres redis
	SOAK_NAMES=300 TOPOLOGY_VIDEOS=200 SOAK_EXAMPLES=1000 $(CLEAN) $(BIN)/python -m pytest --timeout 0 \
		tests/soak tests/topology tests/storage/test_model.py tests/*/test_fuzz_*.py

# What a batch takes beside scripts that do the same, and a video in small and large batches; what a thousand videos in one
# process take, and five thousand that wait; what waiting without a process takes, and a batch on one worker and on two; and
# one video's way to the bucket beside other tools, whose environment is their own; a start beside Prefect alone, and polling
# beside fixed intervals. Well over an hour, most of it on Linux only.
bench: $(READY) $(VENV)/.bench-ready postgres redis swift
	$(CLEAN) $(BIN)/python -m benchmarks.compare
	$(CLEAN) $(BIN)/python -m benchmarks.growth
	$(CLEAN) $(BIN)/python -m benchmarks.scale --videos 1000
	$(CLEAN) $(BIN)/python -m benchmarks.scale --videos 5000 --waiting
	$(CLEAN) $(BIN)/python -m benchmarks.waiting --videos 100
	$(CLEAN) $(BIN)/python -m benchmarks.fan_out
	$(CLEAN) $(BIN)/python -m benchmarks.transfer --sizes 16 512
	$(CLEAN) $(BIN)/python -m benchmarks.transfer --sizes 16 512 --rate 50 --latency 30
	$(CLEAN) $(BIN)/python -m benchmarks.transfer --sizes 16 --swift
	$(CLEAN) $(BIN)/python -m benchmarks.start
	$(CLEAN) $(BIN)/python -m benchmarks.polling

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The folders under the names that they are installed by, for tools that read the code without importing it.
names:
	@mkdir -p build/types/prefect_octopusx
	@for layer in $(LAYERS); do ln -sfn ../../../$$layer build/types/prefect_octopusx/$$layer; done

types: $(READY) names
	$(BIN)/mypy -p prefect_octopusx
	$(BIN)/mypy tests/typing

# The pages as a site, in build/site; `python -m http.server -d build/site` shows it. A warning fails it; the variable is
# for a notice about MkDocs 2, which has nothing to do with us.
docs: $(READY) names
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# The pictures of the pages, taken anew; look at all of them in build/screenshots.
screenshots: $(READY) chromium
	$(CLEAN) $(BIN)/python -m docs.screenshots

# What users install: the wheel in an environment of its own, with pip alone.
wheel: $(READY)
	PYTHON=$(PYTHON) sh tests/wheel/check.sh

# Known vulnerabilities of the versions in constraints.txt. It asks the package index's vulnerability service, which not
# every mirror has; `make audit ARGS="-s osv"` asks OSV.
audit: $(VENV)/.audit-ready
	@mkdir -p build
	@if $(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt $(ARGS) \
		>build/audit.txt 2>&1; then cat build/audit.txt; else cat build/audit.txt; \
		grep -qE "could not be audited|ConnectionError|Could not connect|HTTPError" build/audit.txt \
		&& echo "NOT AUDITED: the vulnerability service can't be reached from here, or does not know a package."; exit 1; fi

check: lint types docs test wheel demo

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call apt_install,python3-venv)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.swift-ready: tests/swift-constraints.txt | $(READY)
	$(PYTHON) -m venv $(VENV)/swift
	$(VENV)/swift/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c tests/swift-constraints.txt swift
	@touch $@

$(VENV)/.bench-ready: benchmarks/requirements.txt | $(READY)
	$(PYTHON) -m venv $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

$(VENV)/.audit-ready: | $(READY)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --no-compile --disable-pip-version-check 'pip-audit>=2.10,<3'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache demo-videos
