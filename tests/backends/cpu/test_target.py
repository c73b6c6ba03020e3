"""Code for other machines than this one: object files of the right kind, nothing of the host in them, right results."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest

from netlang.backends.cpu.compile import compile_kernel
from netlang.backends.cpu.kernel import Kernel, native
from netlang.backends.cpu.target import LEVELS, Target, host, named
from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from tests.backends.cpu.test_spills import KERNELS
from tests.backends.cpu.tiled import check, normal

_ELF_MACHINE = {"x86_64": 62, "aarch64": 183}
"""The ABIs' numbers of the processors."""

WORKER = native("walker", "worker", True, signature="int64(int64)")
ARGMAX = native("indexing", "argmax", "f32")


@pytest.mark.parametrize("target", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("kernel", [WORKER, ARGMAX, KERNELS["conv of one row"]], ids=["worker", "argmax", "conv"])
def test_objects_are_for_their_machine(kernel: Kernel, target: Target) -> None:
    compiled = compile_kernel(kernel, "netlang_test_target", target)
    assert compiled.object[:6] == b"\x7fELF\x02\x01"
    assert struct.unpack_from("<H", compiled.object, 18)[0] == _ELF_MACHINE[target.arch]
    assert host().cpu == target.cpu or host().cpu not in compiled.llvm


def test_instructions_of_the_operating_system_are_the_targets() -> None:
    arm = compile_kernel(WORKER, "netlang_test_yield", LEVELS["aarch64"]).assembly
    x86 = compile_kernel(WORKER, "netlang_test_pause", LEVELS["x86-64-v2"]).assembly
    assert "\tyield" in arm and "#98" in arm
    assert "\tpause" in x86 and "$202" in x86


def test_targets_have_names() -> None:
    assert named("host") == host() and named("aarch64").lanes(4) == 4
    with pytest.raises(NetError, match="there is no processor 'x86-64-v5'"):
        named("x86-64-v5")


def test_this_machine_runs_its_own_code_and_that_of_lower_levels() -> None:
    assert host().runs_here()
    if LEVELS["x86-64-v4"].runs_here():
        assert LEVELS["x86-64-v3"].runs_here()
    if LEVELS["x86-64-v3"].runs_here():
        assert LEVELS["x86-64-v2"].runs_here()
    arm = host().arch in ("aarch64", "arm64")
    assert LEVELS["aarch64"].runs_here() == arm


@pytest.mark.parametrize("name", LEVELS)
def test_results_are_the_references(name: str) -> None:
    """Loops over elements and reductions; convolutions and products have such tests in their own files."""
    target = LEVELS[name]
    if not target.runs_here():
        pytest.skip("this machine cannot run it")

    def make(b: Builder, v: Mapping[str, Value]) -> Mapping[str, Value]:
        probs = b.op("softmax", b.op("gelu", v["x"]), axis=1)
        return {"p": probs, "m": b.op("argmax", probs, axis=1), "t": b.op("transpose", v["x"], perm=(1, 0))}

    check(make, {"x": normal(0, 37, 53)}, target=target)
