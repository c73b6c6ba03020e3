"""The language of kernels: its translation is held to what Numba makes of the same text."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from llvmlite import binding
from numpy.typing import NDArray

from netlang.backends.cuda import compile, toolchain
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.language import llvm_module
from netlang.backends.cuda.simulator.launch import run
from netlang.backends.cuda.simulator.memory import Memory
from netlang.backends.cuda.toolchain import Ptx
from netlang.ir.build import make_node
from netlang.ir.opdef import registered
from tests.backends.compared import graph_of, inputs_like
from tests.backends.cuda import by_numba, needs, sass
from tests.backends.cuda.family import graphs, kernels
from tests.backends.cuda.simulated.single_ops import samples
from tests.examples.shrunken import CASES

pytestmark = needs.compiler

TEXTS = {
    "sums of integers": """
    a = load_i32(x, 0)
    b = load_u32(x, i32(4))
    store_i32(y, 0, i32(a * n + i32(thread() << i32(3))))
    store_u32(y, 4, u32(u32(b >> u32(5)) ^ u32(b - u32(a))))
    store_i32(y, 8, i32(i32(a >> 3) | i32(-a)))
    store_i64(y, 16, i64(i64(a) * l) - i64(b))
    store_u32(y, 24, u32(u64(b) * u64(3) >> 32) + u32(u64(b) // u64(7) + u64(b) % u64(11)))
""",
    "comparisons": """
    a = load_i32(x, 0)
    b = load_u32(x, 4)
    f = load_f32(x, 8)
    store_bool(y, 0, a < n and not b == u32(7))
    store_bool(y, 1, b > u32(n) or u64(l) < u64(b))
    store_bool(y, 2, f != f or f <= f32(2.5))
    store_bool(y, 3, (a > 3) == (f >= f32(-1.0)))
    store_f32(y, 4, f32(1.0) if a < 0 else -f)
""",
    "floats": """
    f = load_f32(x, 0)
    d = load_f64(x, 8)
    store_f32(y, 0, f * f + f32(0.1) / f - f32(n))
    store_f64(y, 8, d * 0.5 + f)
    store_i32(y, 16, i32(f) + i32(d))
    store_u32(y, 20, u32(f))
    store_f32(y, 24, f32(f > f32(0.0)) + f32(l))
    store_f32(y, 28, f32(f * n / 3))
""",
    "a part that is not always computed": """
    i = thread()
    if i < n and load_f32(x, i64(i) * 4) > f32(0.0):
        store_f32(y, i64(i) * 4, f32(1.0))
    elif i > 7 or load_f32(x, i64(i) * 4 + 4) > f32(1.0):
        store_f32(y, i64(i) * 4, load_f32(x, 0) if i > 9 else f32(2.0))
    else:
        return
    store_i32(y, 0, i)
""",
    "names of several types": """
    at = u32(thread())
    store_u32(y, 0, at)
    at = i64(i64(at) * l)
    store_i64(y, 8, at)
    a, b, c, d = load4_f32(x, at)
    store4_f32(y, at, (d, c, b, a))
    a = i32(n)
    store_i32(y, 4, a)
""",
}
QUOTIENTS = """
def kernel(x, y, n, l):
    a = load_i32(x, 0)
    b = load_i32(x, 4)
    store_i32(y, 0, i32(a // b))
    store_i32(y, 4, i32(a % b))
    store_i32(y, 8, i32(i64(a) // l + n))
    store_i32(y, 12, i32(a < u64(b)) + i32(u64(b) <= a) * 2 + i32(a == u64(a)) * 4)
    store_i32(y, 16, i32(a / b * f32(8)))
"""
LOOPS = """
def kernel(x, y, n, l):
    total, rest = load2_i32(x, 0)
    i = i32(0)
    at = u64(y)
    while i < n and (rest < 50 or load_i32(x, 8) > 0):
        i = i32(i + 1)
        if i == 3:
            rest = i32(rest + 7)
            continue
        kept = i32(0)
        for k in range(i):
            for _ in range(3):
                if k == 2 and u32(i) % u32(2) == u32(1):
                    continue
                kept = i32(kept + i32(k * total))
        if kept > 9000:
            store_i32(at, 0, kept)
            return
        elif kept > 100:
            rest = i32(rest - 1)
        else:
            store_i32(at, 0, i32(kept ^ rest))
        at = i64(l)
        total += at
        total = i32(total)
        at = u64(y + u64(i) * u64(4))
    store_i32(y, 0, i32(total + rest))
"""


def kernel(body: str) -> Kernel:
    return Kernel("text", lambda: f"def kernel(x, y, n, l):{body}", "ppil", 32)


def opcodes(made: Ptx) -> Counter[str]:
    """Of the machine code, without what fills up its end."""
    code = sass.instructions(toolchain.linked(made, "80", "text").code)
    return Counter(i.opcode for i in code if i.name != "NOP")


def own(made: Kernel) -> Counter[str]:
    return opcodes(Ptx("entry", "80", compile.ptx_text(made, "80", "entry")))


@pytest.mark.parametrize("name", TEXTS)
def test_the_machine_code_is_that_of_numba(name: str) -> None:
    assert own(kernel(TEXTS[name])) == opcodes(by_numba.ptx(kernel(TEXTS[name]), "80"))


def test_kernels_of_a_training_step_are_the_machine_code_that_numba_makes() -> None:
    """Short loop nests of LeNet-5: Numba takes seconds for others."""
    case = next(case for case in CASES if case.name == "lenet5/../lenet5.net")
    listed = [k for _, graph in graphs(case) for k in kernels(graph, "80") if "NestShape" in k.key]
    found = {k.key: k for k in listed if len(k.source().splitlines()) < 40}
    assert len(found) >= 3
    for made in [*found.values()][:4]:
        assert own(made) == opcodes(by_numba.ptx(made, "80")), made.key


@pytest.mark.parametrize("n", [0, 1, 4, 9])
@pytest.mark.parametrize("more", [0, 1])
def test_loops_compute_what_python_does(n: int, more: int) -> None:
    compare(LOOPS, np.array([13, 45, more, 0], np.int32), n)


@pytest.mark.parametrize("pair", [(7, 2), (-7, 2), (7, -2), (-7, -2), (-8, 2), (0, -3)])
def test_quotients_and_comparisons_of_signed_numbers_are_those_of_python(pair: tuple[int, int]) -> None:
    compare(QUOTIENTS, np.array(pair, np.int32), 3)


def compare(text: str, x: NDArray[np.int32], n: int) -> None:
    """A text without words but loads and stores, on this machine's processor and as Python in the simulator."""
    made = Kernel("text", lambda: text, "ppil", 32)
    wanted, got = np.zeros((2, 12), np.int32)
    memory = Memory()
    places = [memory.allocate(array.nbytes) for array in (x, wanted)]
    for place, array in zip(places, (x, wanted), strict=True):
        memory.view(place, array.dtype, array.shape)[...] = array
    run(text, (*places, n, 5), (1, 1, 1), 1, memory, shared=0, name="text")
    wanted = memory.view(places[1], wanted.dtype, wanted.shape)
    _native(made)(x.ctypes.data, got.ctypes.data, n, 5)
    assert np.array_equal(got, wanted) and (n == 0 or wanted.any())


def _native(made: Kernel) -> Callable[..., None]:
    """A kernel of one thread as a function of this machine."""
    text = str(llvm_module(made, made.source(), "80", "entry"))
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    module = binding.parse_assembly(re.sub(r'^(target|@"?llvm.used|!).*$', "", text, flags=re.MULTILINE))
    engine = binding.create_mcjit_compiler(module, target.create_target_machine())
    function = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int32, ctypes.c_int64)

    def call(*arguments: int) -> None:
        function(engine.get_function_address("entry"))(*arguments)

    return call


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x.y = 1", "only names are set"),
        ("a = load_f32(x, 0) % f32(2)", "Mod of f32 and f32"),
        ("a = (n < 2) + (n < 3)", "Add of bool and bool"),
        ("a = n << f32(2)", "LShift of i32 and f32"),
        ("a = (n < 2) < n", "bool < i32"),
        ("a = cp_async16(x, x)", "takes 3 arguments, not 2"),
        ("a = wgmma_commit()", "sm_80 has no word wgmma_commit"),
        ("a = sync()", "sync has no result"),
        ("a = f32(0) if n else n", "either f32 or i32"),
        ("a = load4_f32(x, 0)[4]", "f32x4 has no item 4"),
        ("a = [n]", "List is not in the language"),
        ("if n:\n        a = n\n    else:\n        a = l\n    store_i64(y, 0, a)", "a is not set, or is of several"),
        ("a = n\n    while a < 9:\n        a = a + 1\n    sync()", "a is of another type in the next round"),
    ],
)
def test_what_is_not_in_the_language_is_refused_with_its_line(body: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=f"kernel text does not compile for sm_80\nline .*{message}"):
        own(kernel(f"\n    {body}\n"))


def test_kernels_of_every_op_are_in_the_language() -> None:
    """In float32 for the first architecture, which copies through registers, in float64 for the second: translated, and
    no more than that."""
    seen: set[str] = set()
    for op, record in registered().items():
        for number, sample in enumerate(samples(op)[:2] if record.samples else []):
            arch, dtype = (("75", np.float32), ("80", np.float64))[number]
            given = [a.astype(dtype) if a.dtype.kind == "f" else a for a in map(np.asarray, sample.inputs)]
            inputs = inputs_like(given)
            graph = graph_of(inputs, *make_node(op, inputs, dict(sample.attrs)).results)
            for made in kernels(graph, arch):
                if made.key not in seen:
                    seen.add(made.key)
                    assert "ret void" in str(llvm_module(made, made.source(), arch, "entry"))
    assert len(seen) > 100
