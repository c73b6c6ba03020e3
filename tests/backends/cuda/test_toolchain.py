"""Kernels to PTX and machine code, without a GPU or a driver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netlang import NetError
from netlang.backends.cuda import architecture, compile, toolchain, versions
from netlang.backends.cuda.kernel import Kernel
from tests.backends.cuda import needs

pytestmark = [needs.compiler, pytest.mark.usefixtures("empty_cache")]

SAXPY = """
def kernel(x, y, n, a):
    i = block_x() * 64 + thread()
    if i < n:
        store_f32(y, 4 * i, load_f32(x, 4 * i) * load_f32(a, 0) + load_f32(y, 4 * i))
"""


def saxpy(text: str = SAXPY, **fields: int) -> Kernel:
    return Kernel("saxpy(float32)", lambda: text, "ppip", **{"threads": 64, **fields})


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    toolchain.entry_name.cache_clear()


@pytest.mark.parametrize("arch", list(architecture.PTX_VERSIONS))
def test_a_kernel_compiles_for_every_architecture(arch: str) -> None:
    made = toolchain.cubin(saxpy(), arch)
    assert made.code.startswith(b"\x7fELF") and made.entry.encode() in made.code
    assert 0 < made.resources.registers <= 32
    assert (made.resources.stack, made.resources.spills, made.resources.shared) == (0, 0, 0)


def test_the_ptx_is_the_same_in_every_process_and_has_one_entry_point_of_our_name() -> None:
    made = toolchain.ptx(saxpy(), "80")
    assert made.text.count(f".visible .entry {made.entry}(") == 1 and made.text.count(".entry") == 1
    assert ".version 8.0\n.target sm_80\n" in made.text
    assert "_ZN" not in made.text
    again = compile.ptx_text(saxpy(), "80", made.entry)
    assert again == made.text
    assert made.entry.startswith("saxpy_float32_")


def test_a_product_and_a_sum_are_one_fma_and_nothing_else_is_fast_math() -> None:
    text = """
def kernel(x, y, n, a):
    store_f32(y, 0, load_f32(x, 0) / load_f32(a, 0))
    store_f32(y, 4, sqrt_f32(load_f32(x, 4)))
"""
    assert "fma.rn.f32" in toolchain.ptx(saxpy(), "80").text
    kernel = Kernel("division", lambda: text, "ppip", 64)
    made = toolchain.ptx(kernel, "80").text
    assert "div.rn.f32" in made and "sqrt.rn.f32" in made
    assert ".ftz" not in made and ".approx" not in made


def test_launch_bounds_are_in_the_code() -> None:
    assert ".maxntid 64, 1, 1" in toolchain.ptx(saxpy(), "80").text
    assert ".minnctapersm" not in toolchain.ptx(saxpy(), "80").text
    assert ".minnctapersm 4" in toolchain.ptx(saxpy(blocks_per_sm=4), "80").text


def test_kept_results_are_read_back_and_damaged_ones_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = toolchain.cubin(saxpy(), "80")
    files = sorted(path for path in toolchain.folder().rglob("*") if path.is_file())
    assert [path.suffix for path in files] == [".cubin", ".ptx"]

    def never(*_: object) -> None:
        raise AssertionError("compiled again")

    with monkeypatch.context() as patched:
        patched.setattr(compile, "ptx_text", never)
        patched.setattr(compile, "link", never)
        assert toolchain.cubin(saxpy(), "80") == made
        assert toolchain.ptx(saxpy(), "80").entry == made.entry
    for path in files:
        path.write_bytes(path.read_bytes()[:-1])
    assert toolchain.cubin(saxpy(), "80") == made


@pytest.mark.parametrize(
    "other",
    [
        saxpy(SAXPY.replace("+", "-")),
        saxpy(threads=128),
        saxpy(blocks_per_sm=2),
        Kernel("saxpy(float32)", lambda: SAXPY, "pplp", 64),
    ],
)
def test_whatever_changes_the_code_changes_its_name(other: Kernel) -> None:
    one = toolchain.entry_name(saxpy(), "80")
    toolchain.entry_name.cache_clear()
    assert toolchain.entry_name(other, "80") != one


def test_another_compiler_or_another_architecture_is_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {toolchain.entry_name(saxpy(), arch) for arch in ("80", "90", "90a")}
    monkeypatch.setattr(versions, "compilers", lambda: "others")
    toolchain.entry_name.cache_clear()
    names.add(toolchain.entry_name(saxpy(), "80"))
    assert len(names) == 4


def test_shared_memory_of_a_launch_is_no_part_of_the_code() -> None:
    one = toolchain.entry_name(saxpy(), "80")
    assert toolchain.entry_name(saxpy(shared=4096), "80") == one


def test_a_kernel_that_means_nothing_is_named_with_its_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = saxpy(SAXPY.replace("load_f32(a, 0)", "load_f99(a, 0)"))
    with pytest.raises(
        RuntimeError, match=r"^kernel saxpy\(float32\) does not compile for sm_80\n(?s:.*)load_f99"
    ) as found:
        toolchain.ptx(broken, "80")
    assert "Traceback" not in str(found.value)
    monkeypatch.setenv("NETLANG_DUMP", str(tmp_path / "dump"))
    with pytest.raises(RuntimeError, match=r"its source is in .*/dump/kernels/saxpy_float32_\w+\.py\n"):
        toolchain.ptx(broken, "80")
    [path] = (tmp_path / "dump" / "kernels").iterdir()
    assert path.read_text(encoding="utf-8") == broken.source()


def test_ptx_that_ptxas_refuses_is_named_too() -> None:
    good = toolchain.ptx(saxpy(), "80")
    bad = toolchain.Ptx(good.entry, "80", good.text.replace("fma.rn.f32", "fma.no.f32"))
    with pytest.raises(RuntimeError, match=r"^ptxas refuses kernel saxpy for sm_80\n"):
        toolchain.linked(bad, "80", "saxpy")


def test_the_dump_shows_the_source_and_the_ptx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_DUMP", str(tmp_path))
    made = toolchain.ptx(saxpy(), "80")
    assert (tmp_path / "kernels" / f"{made.entry}.py").read_text() == SAXPY
    assert (tmp_path / "kernels" / f"{made.entry}.ptx").read_text() == made.text


def test_spills_and_stack_are_told() -> None:
    values = ", ".join(f"v{i}" for i in range(64))
    loads = "".join(f"    v{i} = load_f32(x, {4 * i} + 4 * thread())\n" for i in range(64))
    body = loads + "    sync()\n" + "    store_f32(y, 0, load_f32(a, 0))\n"
    stores = "".join(f"    store_f32(y, {4 * i}, v{i} * v{63 - i})\n" for i in range(64))
    text = f"def kernel(x, y, n, a):\n{body}{stores}    # {values}\n"
    made = toolchain.cubin(Kernel("many values", lambda: text, "ppip", 1024, blocks_per_sm=2), "80")
    assert made.resources.registers <= 32
    assert made.resources.stack > 0 and made.resources.spills > 0


def test_a_report_without_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no report"):
        toolchain.resources("ptxas info    : 0 bytes gmem")


def test_static_shared_memory_is_read_from_a_report() -> None:
    log = (
        "ptxas         .     8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 40 registers, used 1 barriers, 8 bytes cumulative stack size, 2048 bytes smem\n"
    )
    assert toolchain.resources(log) == toolchain.Resources(registers=40, stack=8, spills=16, shared=2048)


def test_without_numba_cuda_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_MODULES", ("numba", "no_such_package", "no_such.module"))
    with pytest.raises(NetError, match=r"needs no-such-package, no-such-module, which are not installed") as found:
        toolchain.ptx(saxpy(), "80")
    assert "pip install netlang[cuda]" in str(found.value)


def test_without_nvvm_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_file", lambda library: "" if library == "nvvm" else "somewhere")
    with pytest.raises(NetError, match="needs nvvm, which is not installed"):
        toolchain.ptx(saxpy(), "80")


def test_what_is_kept_takes_neither_numba_nor_the_linker(tmp_path: Path) -> None:
    made = toolchain.cubin(saxpy(), "80")
    code = f"""
import json, sys
from netlang.backends.cuda import toolchain
from netlang.backends.cuda.kernel import Kernel
found = toolchain.cubin(Kernel("saxpy(float32)", lambda: {SAXPY!r}, "ppip", 64), "80")
print(json.dumps([found.entry, sorted(m for m in ("numba", "cuda") if m in sys.modules)]))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == [made.entry, []]


WORDS_OF = {"75": "i32(n)", "80": "cp_async4(u32(0), x, n)", "90a": "wgmma_fence()"}


@pytest.mark.parametrize(
    ("word", "arch", "base"),
    [("75", "75", "75"), ("75", "80", "80"), ("75", "100", "80"), ("80", "90a", "80"), ("90a", "90a", "90a")],
)
def test_architectures_share_ptx_where_the_words_allow_it(word: str, arch: str, base: str) -> None:
    kernel = Kernel("words", lambda: f"def kernel(x, n):\n    {WORDS_OF[word]}\n", "pi", 32)
    assert toolchain.written_for(kernel, arch) == base


def test_machine_code_from_older_ptx_is_for_the_architecture_asked_for() -> None:
    made = toolchain.cubin(saxpy(), "100")
    assert made.arch == "100" and made.entry == toolchain.ptx(saxpy(), "80").entry
    assert made.code != toolchain.cubin(saxpy(), "90").code
