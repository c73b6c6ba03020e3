"""Kernels compiled by several processes: the same code, whatever becomes of the children."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netlang.backends.common import forked
from netlang.backends.cpu import build, cache, loader
from netlang.backends.cpu.kernel import Kernel, emitted
from netlang.backends.cpu.target import host

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    # Other tests may have left threads behind, none of which holds a lock.
    monkeypatch.setattr(build, "can_fork", lambda: True)
    return tmp_path


def nothing(builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """A kernel without work."""


def kernels(name: str, count: int, emit: Callable[..., None] = nothing) -> list[Kernel]:
    return [emitted(f"test_build {name} {i}", emit) for i in range(count)]


def in_memory(found: list[Kernel]) -> bool:
    return all(cache.digest(k, host()) in loader._addresses for k in found)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_all_kernels_are_there(processes: int, own_cache: Path) -> None:
    wanted = kernels(f"all{processes}", 7)
    build.build([*wanted, wanted[0]], processes)
    assert in_memory(wanted) and all(map(loader.is_there, wanted))
    objects = [path for path in own_cache.rglob("*") if path.is_file()]
    assert len(objects) == 7


def test_what_the_parent_has_left_is_the_parents_to_collect(tmp_path: Path) -> None:
    class Ring:
        me: Any

    def note() -> None:
        with (tmp_path / "collected").open("a") as file:
            print(os.getpid(), file=file)

    def collect(i: int) -> None:
        gc.collect()

    gc.disable()
    try:
        ring = Ring()
        ring.me = ring
        weakref.finalize(ring, note)
        del ring
        forked.share(collect, range(2), range(2), 2)
    finally:
        gc.enable()
    assert (tmp_path / "collected").read_text().split() == [str(os.getpid())]


def test_children_take_their_share(own_cache: Path) -> None:
    """Each kernel notes which process compiles it."""
    notes = own_cache / "notes"

    def note(builder: Any, args: Any, tid: Any, threads: Any) -> None:
        with notes.open("a") as file:
            file.write(f"{os.getpid()}\n")

    build.build(kernels("share", 9, note), 2)
    workers = notes.read_text().split()
    assert 9 <= len(workers) <= 11 and len(set(workers)) == 2


def test_what_a_child_fails_to_compile_is_compiled_here() -> None:
    parent = os.getpid()

    def emit(builder: Any, args: Any, tid: Any, threads: Any) -> None:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    wanted = kernels("killed", 6, emit)
    build.build(wanted, 2)
    assert in_memory(wanted)


def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "PATIENCE", 0.1)
    parent = os.getpid()

    def emit(builder: Any, args: Any, tid: Any, threads: Any) -> None:
        if os.getpid() != parent:
            signal.pause()

    wanted = kernels("hangs", 5, emit)
    build.build(wanted, 2)
    assert in_memory(wanted)


def test_a_fault_is_the_callers_and_leaves_no_child() -> None:
    def emit(builder: Any, args: Any, tid: Any, threads: Any) -> None:
        raise ValueError("no such tile")

    with pytest.raises(Exception, match="no such tile"):
        build.build([*kernels("well", 4), *kernels("fault", 2, emit)], 2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_cache_that_cannot_be_written(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_cache / "file").touch()
    monkeypatch.setenv("NETLANG_CACHE", str(own_cache / "file"))
    assert not cache.is_writable()
    wanted = kernels("unwritten", 5)
    build.build(wanted, 2)
    assert in_memory(wanted)


def test_no_fork_beside_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        assert not build.can_fork()
    finally:
        ended.set()
        other.join()
