"""The benchmark of nets as files: its programs run, and its table says what was measured."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shipped.formats import NUMPY, OWN, SUFFIXES, command, environment, program_of, write_programs
from benchmarks.shipped.measure import code_bytes
from benchmarks.shipped.table import section
from netlang.runtime.model import Model
from tests.artifact.conftest import BEST, SMALL, model_of, write


def test_the_program_that_runs_our_file(tmp_path: Path) -> None:
    """By the runtime's wheel alone; with calls asked for, it goes on and prints what they took."""
    model: Model = model_of(SMALL)
    write(tmp_path / "small.netc", model)
    image = np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype("f4")
    np.save(tmp_path / "small.npy", image)
    write_programs(tmp_path)
    for who in (NUMPY, *SUFFIXES):
        compile(program_of(tmp_path, who).read_text(), who, "exec")
    done = subprocess.run(
        command(tmp_path, OWN, "small", 1, "calls"),
        input="0.01\n0\n",
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert np.array_equal(np.load(tmp_path / f"small.{OWN}.npy"), model(image))
    _, first, second = done.stdout.splitlines()
    assert len(json.loads(first)) > len(json.loads(second)) == 1
    code = code_bytes(tmp_path / "small.netc")
    assert set(code) == {BEST[0], "stored"} and code["stored"] < code[BEST[0]]


def test_the_table() -> None:
    assert section({}) == []
    one: dict[str, Any] = {"bytes": 352_256, "start": 0.18, "start ratio": 1.174, "call": 2e-5}
    figures = {
        "by": {OWN: one, "torch": {**one, "start": 2.0, "start ratio": 13.0, "call": 1e-4}},
        "skipped": {"torch AOTInductor": "RuntimeError: no compiler"},
        "code": {"x86-64-v3": 36_060, "stored": 17_000},
        "ratio": 5.0,
        "numpy": 0.15,
        "threads": 2,
        "load": 0.1,
        "revision": "",
    }
    text = "\n".join(section({"lenet5": figures}))
    assert "| LeNet-5 | **netlang** | 352.3 kB | 180 | 1.17 | 50,000 | 5.00 | 2 |" in text
    assert "| LeNet-5 | torch | 352.3 kB | 2000 | 13.00 | 10,000 |  | 2 |" in text
    assert "36,060 bytes for x86-64-v3" in text and "torch AOTInductor (RuntimeError: no compiler)" in text
