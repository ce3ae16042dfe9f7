# `make demo` does the main job at small scale; `make test` passes the tests. Both set everything up.
PYTHON ?= python3
BIN := .venv/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test aarch64 soak docs venv lint clean

demo: venv
	rm -rf demo && mkdir demo
	$(BIN)/python scripts/train.py --batch_size=10 --learning_rate=1e-3 --steps=600 \
	    --f_log_step=20 --f_summary_step=100 --f_save_step=200 --output=demo/run
	$(BIN)/python scripts/eval.py --checkpoint_dir=demo/run
	$(BIN)/lowlight-tf export demo/run --size 288x384 --quantize float16,int8 --output demo/device
	$(BIN)/lowlight-tf verify demo/device/*.tflite --run demo/run
	$(BIN)/lowlight-tf evaluate --data demo/run/embedded --json demo/results.json \
	    --markdown demo/table.md --contact-sheet demo/before_after.png \
	    --model input demo/run demo/device/*.tflite v2_tiny
	$(BIN)/lowlight-tf enhance demo/run/embedded/val/low/coffee_0.png --output demo/enhanced
	cp demo/run/curves.png demo/
	@echo 'demo/: before_after.png, curves.png, table.md, results.json, enhanced/, device/, run/'

test: venv
	$(BIN)/python -m pytest -n 2 --dist loadfile

aarch64: venv  # the pretrained models on the wheels of Arm, emulated
	PATH="$(CURDIR)/$(BIN):$$PATH" bash tests/aarch64.sh

soak: venv  # live output for 40 minutes, from a camera that fails: make soak VIDEO=drive.mp4
	PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/live_output.py $(VIDEO) yuv_nano_int8 20 \
	    --trouble --output http segments

docs: venv
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

venv: .venv/.ready

.venv/.ready: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build demo site *.egg-info
