# make demo    trains LeNet-5 on handwritten digits, compiles it and classifies three of them
# make test    runs every test; those in Numba's CUDA simulator need a process that starts with it
# make kernels compiles all GPU kernels of all examples for four architectures, without a GPU
# All need Python 3.11 or later; all but runtime its venv module too: they make a virtual environment and install into it.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES := pyproject.toml $(shell find netlang backends grammar -name '*.py' -o -name '*.net' -o -name '*.lark')

.PHONY: demo test kernels runtime clean

demo: $(VENV)/installed-digits
	$(BIN)/netc train examples/lenet5.net --data digits --out run/demo
	$(BIN)/netc compile examples/lenet5.net
	$(BIN)/python examples/demo.py run/demo/weights.safetensors

test: $(VENV)/installed-test
	$(BIN)/pytest -n auto --dist worksteal
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/pytest tests/backends/cuda/simulated/test_in_numba.py

kernels: $(VENV)/installed-test
	$(BIN)/python -m tests.backends.cuda.family float32

runtime:
	$(PYTHON) -m netlang.runtime.artifact.wheel dist

# An old build folder would put files back that are gone from the tree.
$(VENV)/installed-%: $(SOURCES) | $(BIN)/pip
	rm -rf build
	$(BIN)/pip install --quiet --upgrade '.[digits$(if $(filter test,$*),$(comma)test)]'
	@touch $@

comma := ,

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build run
