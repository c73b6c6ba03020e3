"""The object cache: a second process compiles nothing; a damaged file is as good as none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netlang.backends.cpu import cache
from netlang.backends.cpu.kernel import Kernel, emitted, native
from netlang.backends.cpu.target import host

PROGRAM = """
import sys
import numpy as np
import netlang.ops
from netlang.backends.cpu import Cpu
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType

b = Builder()
x = b.input("x", TensorType(DType.F32, (sym("N"), 64)))
w = b.input("w", TensorType(DType.F64, (64, 64)))
y = b.op("softmax", b.op("gelu", x), axis=1)
z = b.op("matmul", b.op("cast", x, dtype=DType.F64), b.op("exp", w))
graph = Graph("g", (x, w), (), (("y", y), ("z", z), ("a", b.op("argmax", y, axis=1))))
rng = np.random.default_rng(0)
feed = {"x": rng.normal(size=(2000, 64)).astype(np.float32), "w": rng.normal(size=(64, 64))}
out = Cpu().compile(graph, threads=2).run(feed, {})
print(float(out["y"].sum()), float(out["z"].sum()), int(out["a"].sum()), "numba" in sys.modules)
"""


def run(folder: Path) -> list[str]:
    """What PROGRAM prints with its cache in `folder`; the last word says whether it imported Numba."""
    environment = {**os.environ, "NETLANG_CACHE": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_second_process_compiles_nothing_and_damage_is_repaired(tmp_path: Path) -> None:
    first = run(tmp_path)
    files = sorted(p for p in (tmp_path / "kernels").rglob("*") if p.is_file())
    assert first[-1] == "True"
    assert len(files) >= 6

    assert run(tmp_path) == [*first[:-1], "False"]

    for i, file in enumerate(files):
        whole = file.read_bytes()
        file.write_bytes([whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""][i % 3])
    assert run(tmp_path) == first
    assert run(tmp_path)[-1] == "False"


def test_what_is_written_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    assert cache.read("0" * 40) is None
    cache.write("0" * 40, "symbol", b"code")
    assert cache.read("0" * 40) == ("symbol", b"code")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["0" * 40]


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels").write_text("a file where the folder should be")
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    cache.write("0" * 40, "symbol", b"code")
    assert cache.read("0" * 40) is None


def nothing(builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """A kernel without work."""


def test_names_depend_on_structure_and_flags() -> None:
    kernels = [emitted("a", nothing), emitted("b", nothing), native("walker", "alone")]
    kernels += [Kernel("a", kernels[0].source, ("contract",)), native("walker", "alone", signature="void(int64)")]
    assert len({cache.digest(k, host()) for k in kernels}) == len(kernels)
