# make lab      set up and open the course in JupyterLab
# make test     set up and pass every test
# make outputs  run every notebook at full size on the real data and save it
# make site     build the lessons as web pages, in build/site
# make claims   run the experiments of lesson 07 and write their table
# make bench    measure what has a budget
# make size     count the lines by room; they have a budget too
#
# TORCH_INDEX=address takes torch from that package index: README, "Linux
# without an NVIDIA GPU".

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
WORKERS ?= 2
# Without a folder of the real files, the tests use the drawn garments and
# so need no network.
DATASET := $(if $(D2LMINI_DATASET),$(D2LMINI_DATASET),$(if \
	$(D2LMINI_DATA),auto,drawn))

.PHONY: lab test lint suite lessons outputs site claims bench size help
help:
	@sed -n 's/^# \(make\)/\1/p' Makefile

# A mark stands in .venv while an install runs: one found there later says
# that the install was interrupted, and it is made again from the start. A
# finished install leaves a mark that names this folder: in a copy that was
# moved or cloned with its .venv, the paths would be wrong.
READY := $(VENV)/.ready
HALF := $(VENV)/.half-made

define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "d2lmini needs Python 3.10 or newer as $(PYTHON);" \
	  "name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@if [ -e $(HALF) ]; then echo "An earlier install was interrupted:" \
	  "$(VENV) is made again."; rm -rf $(VENV); fi
	@mkdir -p $(VENV) && touch $(HALF)
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PY) -m pip install --index-url $(TORCH_INDEX) \
	  torch torchvision)
	$(PY) -m pip install --quiet --editable '.[$(1)]'
	@printf '%s' '$(CURDIR)' > $(READY)-$(2)
	@rm -f $(HALF)
endef

# $(call outdated,NAME) gives FORCE unless the finished install is this one.
outdated = $(if $(wildcard $(HALF)),FORCE,$(if $(filter-out \
	$(CURDIR),$(shell cat $(READY)-$(1) 2>/dev/null)),FORCE))
FORCE:

$(READY)-lab: pyproject.toml $(call outdated,lab)
	$(call install,lab,lab)

$(READY)-site: pyproject.toml $(call outdated,site)
	$(call install,site,site)

$(READY)-test: pyproject.toml $(call outdated,test)
	$(call install,lab$(,)test$(,)deploy$(,)site$(,)hub,test)

, := ,

# The address is printed, and the browser opened where there is one. Nothing
# but this machine can reach the server. It reads the same settings as a
# student's on a JupyterHub: sliders answer sooner. A thread that waits gives
# its core to others: where they are few, a busy browser would else make a
# training stall, tenfold at times.
lab: $(READY)-lab
	JUPYTER_CONFIG_PATH='$(CURDIR)/deploy/jupyterhub' OMP_WAIT_POLICY=PASSIVE \
	$(PY) -m jupyterlab --ServerApp.ip=127.0.0.1 \
	  --LabApp.default_url=/lab/tree/$(firstword $(NOTEBOOKS)) \
	  $(if $(filter 0,$(shell id -u 2>/dev/null)),--allow-root)

lint: $(READY)-test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m check_jsonschema --builtin-schema vendor.github-workflows \
	  .github/workflows/*.yml

# The lessons run as they are, and their exercises once more, solved, one
# lesson after the other in a single kernel.
SOLVED := build/solved

test: lint suite

suite: $(READY)-test
	rm -rf $(SOLVED)
	$(PY) tests/notebooks/solved.py notebooks $(SOLVED)
	D2LMINI_QUICK=1 D2LMINI_DATASET=$(DATASET) D2LMINI_LANG=both \
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist loadscope \
	  --no-loadscope-reorder --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout=300 tests notebooks $(SOLVED)

# In place, unless `make lessons INTO=folder` asks for copies.
lessons: $(READY)-test
	D2LMINI_QUICK= D2LMINI_DATASET=fashion-mnist D2LMINI_LANG=both \
	D2LMINI_FILMS=1 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE \
	$(PY) -m nbconvert --to notebook --execute \
	  $(if $(INTO),--output-dir '$(INTO)',--inplace) \
	  --ExecutePreprocessor.timeout=1200 \
	  --ExecutePreprocessor.store_widget_state=False $(NOTEBOOKS)

outputs: lessons
	$(PY) -m nbconvert --coalesce-streams $(NOTEBOOKS)
	$(PY) tools/tidy.py $(NOTEBOOKS)
	$(PY) tools/picture.py
	$(PY) tools/glossary.py

# One page a lesson, from the saved notebooks; no network is needed to read.
site: $(READY)-site
	$(PY) tools/site.py notebooks build/site

claims: $(READY)-test
	$(PY) benchmarks/claims.py

# All are printed, also after one that is above its budget.
# Threads that wait do so as under `make lab`.
bench: $(READY)-test
	-OMP_WAIT_POLICY=PASSIVE $(PY) benchmarks/training.py
	-OMP_WAIT_POLICY=PASSIVE $(PY) benchmarks/slider.py
	-$(PY) benchmarks/memory.py
	-$(PY) benchmarks/whole.py

size:
	@$(PYTHON) tools/size.py
