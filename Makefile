# The platform's verbs. Each one does its own set-up first; finished steps are skipped.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BOOT := .venvs/bootstrap
PLATFORM := .venvs/platform
SPARK := .venvs/spark
FLINK := .venvs/flink
AIRFLOW := .venvs/airflow
UV := $(BOOT)/bin/uv
PY := $(PLATFORM)/bin/python
# Recursive on purpose: asked for only where an environment is made.
FIND_PYTHON = $$(deployment/local/find_python.sh)
# The locks of images that hold less than an environment of the host: name=groups.
IMAGE_LOCKS := serving=core,serving feature_writer=core,feature_writer jobs=core,lake,ml,serving mlflow_server=mlflow_server object_store=object_store
COPY_JARS := org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime

ARGS ?=
KEEP ?=

.PHONY: help
help: ## show these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(PLATFORM)/.done $(SPARK)/.done $(FLINK)/.done build/jars/kafka/.done build/jars/spark/shop-spark.jar build/jars/flink/shop-flink.jar build/jars/spark.jsa ## everything that the other verbs need: environments from locks, engine jars

.PHONY: demo
demo: setup ## a year of shopping becomes a served recommendation, with a verdict (KEEP=1 leaves it running)
	@$(PY) -m production_ops.demo $(if $(filter-out 0 no,$(KEEP)),--keep) $(ARGS)

.PHONY: prove
prove: setup ## break one thing at a time and see its proof go red
	@$(PY) -m production_ops.prove $(ARGS)

.PHONY: ledger
ledger: setup ## every event id of a run, from its producer to the features (ARGS="--run-dir build/demo --stages all")
	@$(PY) -m production_ops.ledger $(ARGS)

.PHONY: prove-faults
prove-faults: setup $(AIRFLOW)/.done ## kill, freeze, fill and feed garbage, seeded; one table of what held (ARGS="--only F4,B1 --seed 7")
	@$(PY) -m production_ops.faults $(ARGS)

.PHONY: test
test: setup $(AIRFLOW)/.done ## all tests but test-airflow's (ARGS="-k kafka" chooses)
	@$(PY) -m pytest tests $(ARGS)

.PHONY: test-airflow
test-airflow: setup $(AIRFLOW)/.done ## both DAGs on a real Airflow: backfill, second run, kills (minutes)
	@$(PY) -m pytest tests/integration/test_airflow.py $(ARGS)

.PHONY: test-unit
test-unit: setup $(AIRFLOW)/.done ## the tests that start no process
	@$(PY) -m pytest tests/unit -m "not kafka and not spark and not integration" $(ARGS)

.PHONY: check
check: setup ## format, lint, types, import order, generated code, published contracts
	@$(PLATFORM)/bin/ruff format --check .
	@$(PLATFORM)/bin/ruff check .
	@$(PLATFORM)/bin/mypy
	@$(PLATFORM)/bin/lint-imports
	@$(PY) -m contracts.generate --check
	@$(PY) -m contracts.check_published
	@$(PY) -m data_lake.ddl --check

.PHONY: bench
bench: setup ## both engines over the whole year, compared row by row
	@$(PY) -m tests.benchmarks.bench_lake $(ARGS)

.PHONY: bench-freshness
bench-freshness: setup ## from a click to the feature read, hop by hop, beside a steady load
	@$(PY) -m tests.benchmarks.bench_freshness $(ARGS)

.PHONY: trace
trace: setup ## one click's journey with the delay of each hop (ARGS="--event-id ID", "--customer ID", "--json")
	@$(PY) -m production_ops.trace $(ARGS)

.PHONY: airflow
airflow: setup $(AIRFLOW)/.done ## the pipelines in Airflow's UI until Ctrl-C (ARGS="--run-dir build/demo")
	@$(PY) -m airflow_orchestration $(ARGS)

.PHONY: sql
sql: $(if $(STACK),,setup) ## SQL on the lake's tables (ARGS='-c "SELECT 1"'; SHOP_LAKE__ROOT names another lake; STACK=1: the running stack's)
	@$(if $(STACK),docker compose --profile '*' run --rm tools python -m data_lake.sql --registered,$(PY) -m data_lake.sql) $(ARGS)

.PHONY: doctor
doctor: ## what this machine has, what is wrong with it, and what to do
	@deployment/local/ensure_system.sh --check || test -x $(PY)
	@if test -x $(PY); then $(PY) -m shared_utils.doctor; else echo "The environments are not made yet: run make setup"; exit 1; fi

.PHONY: local-up
local-up: setup ## kafka, redis and sail as host processes on free ports until Ctrl-C
	@$(PY) -m shared_utils.local_stack up kafka redis sail

# --- the stack on Docker Compose: it needs Docker and a Python, none of the environments above ---

# With attestations, which hold the time, an image that was built again from the cache would be another one.
export BUILDX_NO_DEFAULT_ATTESTATIONS := 1

# The parts to start: all, or core and what is named (PROFILE=core, PROFILE="streaming observe").
PROFILE ?= core streaming batch observe
# Or the selection of a file in deployment/docker_compose (ENTRY=airflow_stack).
ENTRY ?=
# What it takes of the machine, in profiles: all of them unless it stands here.
NEEDS_fastapi_only := core
NEEDS_airflow_stack := core batch
NEEDS := $(or $(NEEDS_$(ENTRY)),$(PROFILE))
PROFILES := $(if $(ENTRY),,$(addprefix --profile ,$(sort core $(PROFILE))))
COMPOSE := docker compose $(if $(ENTRY),-f docker-compose.yml -f deployment/docker_compose/$(ENTRY).yml)
HAS_STACK := test -f config/installation.env && command -v docker >/dev/null

.PHONY: up
up: ## the stack in containers, built, loaded and healthy (PROFILE=core: without streams, unwatched, for a small machine)
	@$$(deployment/local/find_python.sh) -m production_ops.compose_stack.preflight --profile $(NEEDS)
	@$(MAKE) images
	@echo "Waiting until every service is healthy; the first time, history is loaded and a model trained (minutes: make logs s=first-load)."
	@$(COMPOSE) $(PROFILES) up --detach --wait --remove-orphans
	@$$(deployment/local/find_python.sh) -m production_ops.compose_stack.doors

.PHONY: images
images: ## build the images of PROFILE, the bases first
	@test -f config/installation.env || $$(deployment/local/find_python.sh) -m production_ops.compose_stack.preflight --profile $(NEEDS)
	@docker compose --profile bases build
	@$(COMPOSE) $(PROFILES) build

.PHONY: down
down: ## stop the stack, and what a KEEP=1 left running; data stay
	@test ! -x $(PY) || $(PY) -m shared_utils.local_stack down
	@! { $(HAS_STACK); } || $(COMPOSE) --profile '*' down --remove-orphans

.PHONY: ps
ps: ## what runs of the stack, and how healthy it is
	@$(COMPOSE) --profile '*' ps --all

.PHONY: logs
logs: ## follow the log of a service (s=serving) or of all
	@$(COMPOSE) --profile '*' logs --follow --tail 100 $(s)

.PHONY: restart
restart: ## a service anew, with what changed in its code and its settings (s=serving), or all as they are
	@$(COMPOSE) --profile '*' $(if $(s),up --build --no-deps --force-recreate --detach --wait $(s),restart)

.PHONY: shell
shell: ## a shell in a service (s=serving)
	@$(COMPOSE) --profile '*' exec $(s) bash

.PHONY: run
run: ## a command inside the stack, beside its services (c="python -m production_ops.trace")
	@$(COMPOSE) --profile '*' run --rm tools $(c)

.PHONY: token
token: ## a bearer token for the stack's API, for an hour
	@$(COMPOSE) --profile '*' exec -T serving python -m model_serving.mint_token

.PHONY: up-report
up-report: ## image sizes and idle memory of the running stack (ARGS=--cold-build builds all anew first, and times it)
	@$$(deployment/local/find_python.sh) -m production_ops.compose_stack.report $(ARGS)

.PHONY: test-compose
test-compose: setup ## the stack as a user meets it: up, asked, clicked, services killed, balanced, down (minutes)
	@$(PY) -m pytest tests/compose -m compose $(ARGS)

.PHONY: test-core
test-core: setup ## the same for PROFILE=core alone, a part of the check of every change
	@PROFILE=core $(PY) -m pytest tests/compose/test_core_journey.py tests/compose/test_lake.py -m compose $(ARGS)

.PHONY: lock
lock: $(BOOT)/.done ## resolve the dependencies anew into requirements/*.txt
	$(UV) pip compile requirements/bootstrap.in --universal --generate-hashes --no-header --python-version 3.11 -q -o requirements/bootstrap.txt
	$(UV) pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group core --group lake --group ml --group serving --group dev -o requirements/platform.txt
	$(UV) pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group core --group spark -o requirements/spark.txt
	$(UV) pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group core --group flink -o requirements/flink.txt
	for image in $(IMAGE_LOCKS); do \
	  groups=$$(echo $$image | sed 's/.*=/--group /; s/,/ --group /g'); \
	  $(UV) pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q -c requirements/platform.txt $$groups -o requirements/$${image%%=*}.txt || exit 1; \
	done
	$(UV) pip compile pyproject.toml --universal --generate-hashes --no-header --python-version 3.11 -q --group core --group airflow -o requirements/airflow.txt

.PHONY: clean
clean: down ## delete run data, the stack's volumes with their secrets, caches and reports; keep environments, jars and images
	@! { $(HAS_STACK); } || { $(COMPOSE) --profile '*' down --volumes --remove-orphans && rm config/installation.env; }
	rm -rf build/run build/demo build/test .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venvs -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up: each step's stamp is newer than all that the step depends on ---

$(BOOT)/.done: requirements/bootstrap.txt deployment/local/ensure_system.sh deployment/local/find_python.sh
	@deployment/local/ensure_system.sh
	@echo "setup: $(BOOT)"
	@rm -rf $(BOOT)
	@$(FIND_PYTHON) -m venv $(BOOT)
	@$(BOOT)/bin/python -m pip install -q --require-hashes --only-binary :all: -r requirements/bootstrap.txt
	@touch $@

# The repository itself goes in as editable, so that `python -m layer.module` works from any folder. Its build backend
# is the one that bootstrap.txt pins. Compiled here once: where Python may not write its bytecode, each of a run's
# processes would compile all that it imports (a training 8 instead of 4 CPU seconds before its first line).
define make_environment
	@echo "setup: $(@D) from $< (minutes the first time)"
	@test -x $(@D)/bin/python || $(UV) venv -q --clear --python $(BOOT)/bin/python $(@D)
	@quiet=-q; test -t 2 && quiet=; $(UV) pip sync $$quiet --compile-bytecode --python $(@D)/bin/python --require-hashes $<
	@$(UV) pip install -q --python $(@D)/bin/python --no-deps --build-constraints requirements/bootstrap.txt -e .
	@touch $@
endef

$(PLATFORM)/.done: requirements/platform.txt pyproject.toml $(BOOT)/.done
	$(make_environment)

$(SPARK)/.done: requirements/spark.txt pyproject.toml $(BOOT)/.done
	$(make_environment)

# Flink's jars lie in the wheel, under a folder with Python's version in its name.
$(FLINK)/.done: requirements/flink.txt pyproject.toml $(BOOT)/.done
	$(make_environment)
	@cd $(@D) && ln -sfn lib/python3.*/site-packages/pyflink flink_home

# Made by the verbs that need it, not by setup: most of what this repository does needs no Airflow.
$(AIRFLOW)/.done: requirements/airflow.txt pyproject.toml $(BOOT)/.done
	$(make_environment)

# Into a new folder, then into place: a broken download leaves the old jars, and no old jar stays beside a new one.
define copy_jars
	@echo "setup: $(@D) from $<"
	@rm -rf $(@D).new && mkdir -p $(@D).new
	@mvn -q -B -f $< $(COPY_JARS) -DoutputDirectory=$(CURDIR)/$(@D).new > $(@D).log 2>&1 || { cat $(@D).log; exit 1; }
	@rm -f $(@D).log
	@touch $(@D).new/.done
	@rm -rf $(@D) && mv $(@D).new $(@D)
endef

build/jars/kafka/.done: ingestion_layer/kafka/pom.xml | $(BOOT)/.done
	$(copy_jars)

build/jars/spark/.done: stream_processing/spark_streaming/pom.xml | $(BOOT)/.done
	$(copy_jars)

build/jars/flink/.done: stream_processing/flink_python/pom.xml | $(BOOT)/.done
	$(copy_jars)

# Our own classes, as a jar beside the others. `$(1)` are javac's options, `$(2)` a folder that goes in as it is.
define compile_jar
	@rm -rf $(basename $@) && mkdir -p $(basename $@)
	@javac -Xlint:-classfile $(1) -d $(basename $@) $(filter %.java,$^)
	@$(if $(2),cp -r $(2) $(basename $@))
	@jar --create --file $@ -C $(basename $@) .
	@rm -rf $(basename $@)
endef

build/jars/spark/shop-spark.jar: $(wildcard stream_processing/spark_streaming/java/*.java) build/jars/spark/.done $(SPARK)/.done
	$(call compile_jar,-cp "$$(echo $(SPARK)/lib/python3.*/site-packages/pyspark/jars)/*:build/jars/spark/*")

# Spark's classes as a JVM holds them in memory: every start of Spark maps them. It fits the JVM that wrote it alone.
build/jars/spark.jsa: stream_processing/spark_streaming/class_archive.py build/jars/spark/shop-spark.jar build/jars/java_version
	@echo "setup: $@ (a minute)"
	@$(SPARK)/bin/python -m stream_processing.spark_streaming.class_archive > $@.log 2>&1 || { cat $@.log; exit 1; }
	@rm -f $@.log

# Looked at every time, written when it is another one.
build/jars/java_version: FORCE | $(BOOT)/.done
	@mkdir -p $(@D)
	@java -version 2>&1 | cmp -s - $@ || java -version > $@ 2>&1

.PHONY: FORCE
FORCE:

FLINK_JAVA := stream_processing/flink_python/java

# Flink's own jars lack the annotations' classes of what they were compiled with: hence no class-file warnings.
build/jars/flink/shop-flink.jar: $(wildcard $(FLINK_JAVA)/*.java $(FLINK_JAVA)/META-INF/services/*) build/jars/flink/.done $(FLINK)/.done
	$(call compile_jar,--add-exports jdk.httpserver/sun.net.httpserver=ALL-UNNAMED -cp '$(FLINK)/flink_home/lib/*:build/jars/flink/*',$(FLINK_JAVA)/META-INF)
