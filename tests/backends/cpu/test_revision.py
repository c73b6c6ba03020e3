"""What makes a kernel's object code stale: an edit of anything that its machine code is made by, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from llvmlite import ir

from netlang.backends.base import Options
from netlang.backends.common import sources
from netlang.backends.cpu import Cpu, cache, revision
from netlang.backends.cpu.backend import lowered
from netlang.backends.cpu.kernel import Emitted, Kernel, emitted, native
from netlang.backends.cpu.target import host
from netlang.driver import stages
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from tests.nets import SGD, lenet5, spec

PACKAGE = Path(revision.__file__).parent
_I64 = ir.IntType(64)


def kernels() -> list[Kernel]:
    """Those of a small net and of its training step."""
    found: list[Kernel] = []
    for train in (False, True):
        graph = training_step(spec(lenet5(train=True), SGD)) if train else lenet5()
        ready = PassManager().run(graph, stages(Cpu(), train))
        found += [step.kernel for steps in lowered(ready, host(), Options())[1].values() for step in steps]
    return list(dict.fromkeys(found))


def files_called(emit: Any) -> set[Path]:
    """The files of netlang whose functions run while a kernel's IR is written."""
    called: set[Path] = set()

    def watch(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            called.add(Path(frame.f_code.co_filename))

    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [_I64] * 3), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    sys.setprofile(watch)
    try:
        emit(builder, *function.args)
    finally:
        sys.setprofile(None)
    return {path for path in called if path.is_relative_to(PACKAGE.parent) or "netlang" in path.parts}


def test_whatever_runs_to_write_a_kernel_is_in_its_revision() -> None:
    checked = 0
    for kernel in kernels():
        if isinstance(kernel.source, Emitted):
            modules = sources.dependencies({revision.COMPILER, *revision._origins(kernel)})
            known = {sources.path(module) for module in modules}
            assert files_called(kernel.source.emit) <= known, kernel.key
            checked += 1
    assert checked > 15


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Names kernels as if one module had another source."""
    real = sources.source

    def edit(module: str) -> None:
        monkeypatch.setattr(sources, "source", lambda m: ("edited", real(m)[1]) if m == module else real(m))
        cache.digest.cache_clear()
        sources.fingerprint.cache_clear()

    yield edit
    monkeypatch.undo()
    cache.digest.cache_clear()
    sources.fingerprint.cache_clear()


def emit(what: Any, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """A kernel that is made by whatever it is given."""


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("tiles.numbers", True),  # far below the emitter
        ("codegen", True),  # used by all
        ("kernels.pool", False),
        ("threads", False),
    ],
)
def test_an_edit_makes_those_stale_that_depend_on_it(module: str, stale: bool, edited: Any) -> None:
    from netlang.backends.cpu.tiles.conv_kernel import emit_conv

    for kernel in (emitted("a", partial(emit_conv, None)), emitted("b", partial(emit, (1, {"deep": emit_conv})))):
        before = cache.digest(kernel, host())
        edited(f"netlang.backends.cpu.{module}")
        assert (cache.digest(kernel, host()) != before) == stale
        edited("")


def test_a_numba_function_depends_on_its_module(edited: Any) -> None:
    kernel = native("walker", "alone")
    before = cache.digest(kernel, host())
    for module, stale in (("native.walker", True), ("intrinsics", True), ("tiles.conv_kernel", False)):
        edited(f"netlang.backends.cpu.{module}")
        assert (cache.digest(kernel, host()) != before) == stale
