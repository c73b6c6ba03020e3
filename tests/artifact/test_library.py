"""Nets in shared libraries give the bits that the compiled model gives, to C and to whoever speaks its interface."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.backends.base import Request
from netlang.backends.cpu.library.compiler import COMPILERS
from netlang.backends.cpu.target import LEVELS
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.driver import backend_for, half_type
from netlang.runtime.model import Model
from netlang.shipping import write_library, write_nets
from tests.artifact.conftest import BEST, SMALL, model_of
from tests.artifact.linked import Failed, Fenced, Linked, Net
from tests.artifact.test_loaded import NETS, given, same

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, COMPILERS)), reason="there is no C compiler, which makes shared libraries"
)

CALLED = {what: f"n{i}" for i, what in enumerate(NETS)}
"""What the nets are called in the library."""
TEXT = (
    "\n".join(text.replace("net n ", f"net {CALLED[what]} ") for what, text in NETS.items())
    + """
net drawn {
  input x: f32[N, 40]
  output y = x + random_normal(x)
}
"""
)


def write(path: Path, *models: Model, **rest: Any) -> Path:
    """A library for the best level of this machine, with batches up to 200."""
    write_library(path, models, backend_for("cpu"), Request(tuple(BEST), None, {"N": 200}), **rest)
    return path


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    names = [*CALLED.values(), "drawn"]
    return {name: model_of(TEXT, name) for name in names}


@pytest.fixture(scope="module")
def library(models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("library") / "nets.so", *models.values())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    model = model_of(SMALL)
    return model, write(tmp_path_factory.mktemp("library") / "small.so", model, prefix="small", beside=True)


@pytest.fixture
def net(small: tuple[Model, Path]) -> Iterator[Net]:
    found = Net(Linked(small[1], "small"))
    yield found
    found.close()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", CALLED.values(), ids=CALLED)
def test_the_same_bits(library: Path, models: dict[str, Model], name: str, threads: int) -> None:
    """For batches and lengths, one and none among them, and more of them than are kept."""
    model, net = models[name], Net(Linked(library), name, threads)
    assert [port.name.decode() for port in net.inputs] == list(model.inputs)
    assert {port.name.decode(): port.text.decode() for port in net.outputs} == model.outputs
    assert net.library.ask("threads", net.model) == threads
    sizes = [(1, 1), (0, 3), (2, 3), (5, 2), (1, 9), (33, 7), (130, 4), *((3, 1 + i) for i in range(18)), (2, 3)]
    for batch, length in sizes:
        of = {"N": batch, "T": length}
        arrays = given(model, of)
        found = net(of, **arrays)
        assert same(found if len(found) > 1 else next(iter(found.values())), model(**arrays)), of
    net.close()


def test_random_nodes_draw_the_same_numbers(library: Path, models: dict[str, Model]) -> None:
    model, net = models["drawn"], Net(Linked(library), "drawn")
    x = np.zeros((3, 40), np.float32)
    model.seed = 5
    net.library.ask("seed", net.model, 5)
    first, second = (net({"N": 3}, x=x)["y"] for _ in range(2))
    assert same(first, model(x)) and same(second, model(x)) and not same(first, second)
    with pytest.raises(Failed, match="a seed is not negative"):
        net.library.ask("seed", net.model, -1)
    net.close()


def test_what_a_library_says_of_itself(library: Path, net: Net) -> None:
    linked = Linked(library)
    names = [None, *(name.encode() for name in CALLED.values()), b"drawn", None]
    assert [linked.functions["net"](i - 1) for i in range(len(names))] == names
    assert net.sizes == [("N", 0, 200)]
    assert net.shape(net.inputs[0], {"N": 7}) == (7, 3, 9, 9) and net.inputs[0].shape[:4] == [-1, 3, 9, 9]
    assert net.library.ask("level", net.model).decode() == BEST[0]
    assert net.library.ask("output", net.model, b"probs") == 0


def test_what_is_told(
    library: Path, models: dict[str, Model], small: tuple[Model, Path], net: Net, tmp_path: Path
) -> None:
    linked, image = net.library, np.zeros((1, 3, 9, 9), np.float32)
    other = tmp_path / "small.weights"
    other.write_bytes(bytes(small[1].with_suffix(".weights").stat().st_size))
    words, whole = (Net(Linked(library), CALLED[what]) for what in ("words and attention", "whole numbers"))
    places = {**given(models[CALLED["whole numbers"]], {"N": 2}), "place": np.array([3, 65535], np.uint16)}
    for told, ask in (
        ("there is no net 'big': the first one is 'small'", lambda: Net(linked, "big")),
        ("threads are from 0 to 256, not -1", lambda: Net(linked, None, -1)),
        ("there is no input 'x'", lambda: linked.ask("input", net.model, b"x")),
        ("the name is NULL", lambda: linked.ask("output", net.model, None)),
        ("N is 201: the net was compiled for 200 at most", lambda: net({"N": 201}, image=image)),
        ("N is -1: the net needs 0 at least", lambda: net({"N": -1}, image=image)),
        ("the model is NULL", lambda: linked.ask("run", None, None, None, None)),
        ("the model is NULL", lambda: linked.ask("input", None, b"image")),
        ("the inputs or the outputs are NULL", lambda: linked.ask("run", net.model, None, None, None)),
        ("the sizes are NULL", lambda: linked.ask("run", net.model, None, linked_places(0), linked_places(0))),
        ("input 'image' is NULL", lambda: run_at(net, 0, 64)),
        ("output 'probs' is NULL", lambda: run_at(net, 64, 0)),
        ("input 'image' is not aligned", lambda: run_at(net, 65, 64)),
        ("has no random nodes", lambda: linked.ask("seed", net.model, 1)),
        ("'words' has the value 11; it must be between 0 and 10",
         lambda: words({"N": 1, "T": 2}, words=np.array([[3, 11]]))),
        ("'place' has the value 65535; it must be between 0 and 10", lambda: whole({"N": 2}, **places)),
        ("cannot read /nowhere: No such file", lambda: Net(linked, None, 1, "/nowhere")),
        ("has 7 bytes where the weights have", lambda: Net(linked, None, 1, str(with_bytes(tmp_path / "w", 7)))),
        ("does not hold the weights that the library was compiled with", lambda: Net(linked, None, 1, str(other))),
        ("the weights are in the library", lambda: Net(Linked(library), None, 1, "w")),
    ):  # fmt: skip
        with pytest.raises(Failed, match=told):
            ask()
    words.close()
    whole.close()


def linked_places(*addresses: int) -> Any:
    return (ctypes.c_void_p * len(addresses))(*addresses)


def run_at(net: Net, image: int, probs: int) -> None:
    """With an input and an output at these addresses."""
    net.library.ask("run", net.model, net.numbers({"N": 1}), linked_places(image), linked_places(probs))


def with_bytes(path: Path, count: int) -> Path:
    path.write_bytes(bytes(count))
    return path


def test_many_threads_at_a_time(small: tuple[Model, Path]) -> None:
    model, net = small[0], Net(Linked(small[1], "small"), threads=2)
    images = [given(model, {"N": 1 + i % 3}, i)["image"] for i in range(8)]
    wanted = [model(image) for image in images]
    wrong: list[int] = []

    def call(i: int) -> None:
        for _ in range(50):
            if not same(net({"N": len(images[i])}, image=images[i])["probs"], wanted[i]):
                wrong.append(i)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    net.close()
    assert not wrong


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_rounded_weights(small: tuple[Model, Path], tmp_path: Path, half: str) -> None:
    """The bits that the same rounded weights give in Python, in a smaller file."""
    model, request = model_of(SMALL), Request(tuple(BEST), None, {}, half_type(half))
    write_library(tmp_path / "n.so", [model], backend_for("cpu"), request, beside=True)
    write_nets(tmp_path / "n.netc", [model], backend_for("cpu"), request)
    image, net = given(model, {"N": 3})["image"], Net(Linked(tmp_path / "n.so"))
    found = net({"N": 3}, image=image)["probs"]
    net.close()
    assert same(found, netlang.load(tmp_path / "n.netc")(image)) and not same(found, model(image))
    place = small[1].with_suffix(".weights")
    assert (tmp_path / "n.weights").stat().st_size < place.stat().st_size - 800


@pytest.mark.parametrize("name", CALLED.values(), ids=CALLED)
def test_nothing_outside_of_tensors_is_touched(library: Path, models: dict[str, Model], name: str) -> None:
    """Inputs end, and outputs begin, where memory does: touching more ends the process."""
    model, net = models[name], Net(Linked(library), name)
    for batch, length in ((1, 1), (3, 5)):
        sizes = {"N": batch, "T": length}
        arrays = given(model, sizes)
        wanted = model(**arrays)
        takes = [Fenced(arrays[port.name.decode()].nbytes, at_end=True) for port in net.inputs]
        gives = [Fenced(net.bytes(port, sizes), at_end=False) for port in net.outputs]
        for fenced, port in zip(takes, net.inputs, strict=True):
            ctypes.memmove(fenced.address, arrays[port.name.decode()].ctypes.data, fenced.bytes)
        places = [linked_places(*(fenced.address for fenced in all)) for all in (takes, gives)]
        net.library.ask("run", net.model, net.numbers(sizes), *places)
        for fenced, port in zip(gives, net.outputs, strict=True):
            one = wanted if len(gives) == 1 else wanted[port.name.decode()]
            assert ctypes.string_at(fenced.address, fenced.bytes) == one.tobytes()
    net.close()


def test_a_child_has_none_of_the_threads(library: Path, models: dict[str, Model]) -> None:
    """After a fork a model goes on without the workers that its parent has."""
    model, net = models["n0"], Net(Linked(library), "n0", 2)
    sizes = {"N": 130, "T": 1}
    arrays = given(model, sizes)
    wanted = net(sizes, **arrays)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if same(net(sizes, **arrays), wanted) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert same(net(sizes, **arrays), wanted)
    net.close()


def test_a_name_that_needs_care(tmp_path: Path) -> None:
    """Of the library and the file beside it."""
    model = model_of(SMALL)
    net = Net(Linked(write(tmp_path / 'né, "1".so', model, beside=True)))
    image = given(model, {"N": 2})["image"]
    assert same(net({"N": 2}, image=image)["probs"], model(image))
    net.close()


def test_nothing_but_the_c_library_is_needed(library: Path) -> None:
    found = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    names = {Path(line.split()[0]).name.partition(".so")[0] for line in found.splitlines()}
    assert names <= {"linux-vdso", "libc", "libm", "libpthread", "libdl", "ld-linux-x86-64", "ld-linux-aarch64"}


def test_the_same_bytes_each_time(small: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-Werror")
    again = write(tmp_path / "small.so", model_of(SMALL), prefix="small", beside=True)
    for suffix in (".so", ".weights"):
        assert again.with_suffix(suffix).read_bytes() == small[1].with_suffix(suffix).read_bytes()


def test_the_c_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built as it says, it prints what the model says."""
    monkeypatch.chdir(EXAMPLES.parent)
    model = model_of((EXAMPLES / "lenet5.net").read_text())
    model.save_weights(tmp_path / "w")
    program = EXAMPLES / "embed/classify.c"
    compiled, built, _ = (shlex.split(line) for line in re.findall(r"^   (\S.*)$", program.read_text(), re.M)[:3])
    places = {"weights.safetensors": "w", "lenet5.so": "lenet5.so", "lenet5.h": "lenet5.h", "classify": "classify"}
    compiled, built = ([str(tmp_path / places[w]) if w in places else w for w in line] for line in (compiled, built))
    assert main([*compiled[1:], "--arch", BEST[0]]) == 0
    for language in (["-std=c99", "-pedantic-errors"], ["-x", "c++"] if shutil.which("c++") else []):
        subprocess.run(
            ["cc", *language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", tmp_path / "lenet5.h"], check=True
        )
    subprocess.run([f"-I{tmp_path}" if word == "-I." else word for word in built], check=True)
    images = np.random.default_rng(0).integers(0, 256, (70, 1, 28, 28), np.uint8)
    found = subprocess.run([tmp_path / "classify"], input=images.tobytes(), capture_output=True, check=True).stdout
    probs = np.concatenate([model(part.astype("f4") / np.float32(255)) for part in (images[:64], images[64:])])
    assert found.decode() == "".join(f"{row.argmax()} {row.max():.6f}\n" for row in probs)


def test_what_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = model_of(SMALL), tmp_path / "n.so"
    with pytest.raises(NetError, match="what is compiled for target 'reference' cannot be made a shared library"):
        write_library(path, [model], backend_for("reference"), Request())
    with pytest.raises(NetError, match="a shared library is for one architecture"):
        write_library(path, [model], backend_for("cpu"), Request(tuple(LEVELS)))
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    with pytest.raises(NetError, match=r"the C compiler no-such-compiler, which CC names, is needed .*\n.*\.netc file"):
        write(path, model)
    monkeypatch.setenv("CC", "false")
    with pytest.raises(NetError, match="false could not make the library"):
        write(path, model)
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NetError, match="a C compiler is needed to make a shared library, and was not found"):
        write(path, model)
    assert not list(tmp_path.iterdir())
