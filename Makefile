# make run      set up and run the workflow, then write its report
# make doctor  name what killed runs left here, and what to do
# make plan     show what `make run` would do
# make study    several tasks, arms and seeds in one DAG, ending in tables and figures (config/study.yaml; hours)
# make study-plan   what that costs, by the benchmark files under runs/ (MEASURED=circle,stack: of these runs only)
# make smoke    the same DAG, tiny, in minutes
# make test     set up and run all tests, in PROCESSES side by side (2; 0: in one, as `pytest` alone does)
# make bench    measure it beside what people would use instead, into docs/benchmarks.md (hours; ROWS="conversion start"
#               for some rows, ROWS=--quick to try the code)
# make fuzz     read 10,000 damaged files within bounds of time and memory
# make test-browser   open the report in a headless Chromium, which is installed where it is missing (needs root, apt)
# make test-robomimic   let robomimic's own loader read an export; it is fetched for that (needs a package index)
# make test-aloha   reverse a dataset of gym-aloha's bimanual robot and execute it there; it is fetched for that (needs EGL)
# make fault-test  kill the smoke run at KILLS random moments (half an hour or more); many jobs on few GPUs
# make test-slurm  run jobs through a Slurm of one node, brought up here (root; a container); SLURM=smoke: the smoke run
# make check    formatting and lint
# make docs     build the documentation site, .cache/site/index.html, which opens offline
# make schema   write config/schema.json anew from the typed settings
# make lock     compile the locks anew (needs a package index)
#
# make run ARGS="--config iterations=10" passes arguments to Snakemake; CONFIG=config/gpu.yaml adds a configuration.

CONFIG ?= config/config.yaml
ARGS ?=
TESTS ?= tests
PROCESSES ?= 2
KILLS ?= 20
SLURM ?= 1
MEASURED ?=
ROWS ?=
WORK = .venv/bin
ENGINE = .venv-engine/bin
SNAKEMAKE = $(ENGINE)/snakemake --configfile $(CONFIG)
# Asked of Snakemake, since ARGS may change the name; nothing where ARGS asks for other files than the report. Of several
# runs it lies beside their summary, which comes last.
REPORT = $(SNAKEMAKE) $(ARGS) --summary 2>/dev/null | \
    sed -n 's,^\(runs/\(report\|seeds\|study\)_[^/]*\)/\(index\.html\|table\.md\)\t.*,\1/snakemake_report.html,p' | sort | tail -n 1

DRY = $(filter -n --dry-run --dryrun,$(ARGS))

.PHONY: run doctor report-path plan study study-plan smoke schema setup bench test test-slurm fault-test fuzz test-browser test-robomimic test-aloha check format docs lock

run: setup
	$(WORK)/python workflow/scripts/doctor.py --fix
	report=$$($(REPORT)); summary=$$(dirname "$$report"); status=0; \
	$(SNAKEMAKE) --logger rev2fwd $(ARGS) $${report:+--report "$$report" --report-after-run} || status=$$?; \
	[ $$status = 0 ] || summary=$${summary}_so_far; \
	[ -n "$(DRY)" ] || cat "$$summary/summary.txt" 2>/dev/null; exit $$status

report-path:
	@$(REPORT)

doctor: setup
	$(WORK)/python workflow/scripts/doctor.py

plan: setup
	$(SNAKEMAKE) -n $(ARGS)

study: CONFIG = config/study.yaml
study: run

study-plan: CONFIG = config/study.yaml
study-plan: setup
	$(SNAKEMAKE) -n --quiet all --logger rev2fwd --logger-rev2fwd-measured "$(MEASURED)" $(ARGS)

smoke: CONFIG = config/smoke.yaml
smoke: run

setup:
	envs/setup.sh

test: setup
	$(WORK)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(TESTS)

bench: setup
	$(WORK)/python benchmarks/bench.py $(ROWS)

fuzz: setup
	$(WORK)/python tests/fuzz/fuzz.py --count 10000

test-browser: setup
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }
	REV2FWD_BROWSER=chromium $(WORK)/pytest tests/browser

# Without its dependencies: its loader needs none beyond ours, and one of them has to be compiled.
test-robomimic: setup
	$$(envs/setup.sh --uv) pip install --quiet --no-deps --python $(WORK)/python --target .cache/robomimic robomimic==0.3.0
	PYTHONPATH=.cache/robomimic $(WORK)/pytest tests/opt_in

# With the mujoco that its dm-control was made for; our environment stays as it is.
test-aloha: setup
	$$(envs/setup.sh --uv) pip install --quiet --no-deps --python $(WORK)/python --target .cache/aloha gym-aloha==0.1.5 \
	    dm-control==1.0.41 dm-env==1.6 dm-tree==0.1.10 labmaze==1.0.6 lxml==6.1.3 mujoco==3.8.1
	MUJOCO_GL=egl PYTHONPATH=.cache/aloha $(WORK)/pytest tests/opt_in

test-slurm: setup
	REV2FWD_SLURM=$(SLURM) $(WORK)/pytest tests/slurm

fault-test: setup
	REV2FWD_KILLS=$(KILLS) REV2FWD_LONG=1 $(WORK)/pytest --timeout 0 -s tests/workflow/test_faults.py tests/workflow/test_gpu_lease.py

check: setup
	$(WORK)/ruff check
	$(WORK)/ruff format --check
	$(ENGINE)/snakefmt --check Snakefile rules workflow/Snakefile
	$(ENGINE)/snakemake --lint

format: setup
	$(WORK)/ruff check --fix
	$(WORK)/ruff format
	$(ENGINE)/snakefmt Snakefile rules workflow/Snakefile

docs:
	envs/setup.sh --docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo "documentation: .cache/site/index.html"

schema: setup
	$(ENGINE)/python -m rev2fwd_il.config.json_schema config/schema.json

lock:
	uv=$$(envs/setup.sh --uv) && for environment in uv engine work docs; do \
	    "$$uv" pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header \
	        envs/$$environment.in --output-file envs/$$environment.txt; \
	done
