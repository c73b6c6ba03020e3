"""Kernels compiled by several processes: the same code, whoever makes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlang.backends.cuda import build, compile, toolchain
from netlang.backends.cuda.kernel import Kernel
from tests.backends.cuda import needs

pytestmark = [needs.compiler, pytest.mark.usefixtures("processes")]


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, and an empty cache."""
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    # Other tests may have left threads behind, none of which holds a lock.
    monkeypatch.setattr(build, "can_fork", lambda: True)
    monkeypatch.setattr(build, "_processors", lambda: 2)


def kernels(count: int) -> list[Kernel]:
    def text(i: int) -> str:
        return f"def kernel(x):\n    store_f32(x, {4 * i}, load_f32(x, {i}))\n"

    return [Kernel(f"move {i}", lambda i=i: text(i), "p", 32) for i in range(count)]  # type: ignore[misc]


def test_several_processes_make_what_one_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build.build([*kernels(5), *kernels(2)], "80")
    assert list(made) == kernels(5)
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "other"))
    assert {kernel: toolchain.cubin(kernel, "80") for kernel in kernels(5)} == made


def test_children_take_their_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes, real = tmp_path / "notes", compile.ptx_text

    def noted(kernel: Kernel, arch: str, entry: str) -> str:
        with notes.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return real(kernel, arch, entry)

    monkeypatch.setattr(compile, "ptx_text", noted)
    build.prepare(kernels(6), "90")
    workers = notes.read_text().split()
    assert 6 <= len(workers) <= 8 and len(set(workers)) == 2
    build.build(kernels(6), "90")
    assert len(notes.read_text().split()) == len(workers)


def test_without_a_cache_everything_is_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "file"))
    assert not toolchain.is_writable()
    assert len(build.build(kernels(5), "80")) == 5


def test_a_kernel_that_means_nothing_is_named() -> None:
    broken = Kernel("broken", lambda: "def kernel(x):\n    nonsense(x)\n", "p", 32)
    with pytest.raises(RuntimeError, match="kernel broken does not compile"):
        build.build([broken, *kernels(5)], "80")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
