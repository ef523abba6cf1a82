# make run      set up and run the workflow, then write its report
# make doctor  name what killed runs left here, and what to do
# make plan     show what `make run` would do
# make smoke    the same DAG, tiny, in minutes
# make test     set up and run all tests
# make fault-test  kill the smoke run at KILLS random moments (half an hour or more); many jobs on few GPUs
# make check    formatting and lint
# make lock     compile the locks anew (needs a package index)
#
# make run ARGS="--config iterations=10" passes arguments to Snakemake; CONFIG=config/gpu.yaml adds a configuration.

CONFIG ?= config/config.yaml
ARGS ?=
TESTS ?= tests
KILLS ?= 20
WORK = .venv/bin
ENGINE = .venv-engine/bin
SNAKEMAKE = $(ENGINE)/snakemake --configfile $(CONFIG)
NAME = $(shell sed -n 's/^name: *\([^ ]*\).*/\1/p' $(CONFIG))

.PHONY: run doctor plan smoke setup test fault-test check format lock

run: setup
	$(WORK)/python workflow/scripts/doctor.py --fix
	$(SNAKEMAKE) $(ARGS) --report runs/report_$(NAME)/snakemake_report.html --report-after-run

doctor: setup
	$(WORK)/python workflow/scripts/doctor.py

plan: setup
	$(SNAKEMAKE) -n $(ARGS)

smoke:
	$(MAKE) run CONFIG=config/smoke.yaml

setup:
	envs/setup.sh

test: setup
	$(WORK)/pytest $(TESTS)

fault-test: setup
	REV2FWD_KILLS=$(KILLS) REV2FWD_LONG=1 $(WORK)/pytest -s tests/workflow/test_faults.py tests/workflow/test_gpu_lease.py

check: setup
	$(WORK)/ruff check
	$(WORK)/ruff format --check
	$(ENGINE)/snakefmt --check Snakefile rules
	$(ENGINE)/snakemake --lint

format: setup
	$(WORK)/ruff check --fix
	$(WORK)/ruff format
	$(ENGINE)/snakefmt Snakefile rules

lock:
	uv=$$(envs/setup.sh --uv) && for environment in uv engine work; do \
	    "$$uv" pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header \
	        envs/$$environment.in --output-file envs/$$environment.txt; \
	done
