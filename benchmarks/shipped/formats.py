"""A net as a file of each kind, and the program that a user would write to run it.

Programs are called with the file, an array to read, an array to write and a number of threads. They answer once, which
is what is timed from start to end; then, where there is a fifth argument, they call again and again for as many seconds
as each line of standard input says, and print the seconds of the calls.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from benchmarks.layers import layers
from benchmarks.networks import images
from netlang.backends.base import Request
from netlang.driver import backend_for
from netlang.runtime.arrays import Array
from netlang.runtime.artifact import wheel
from netlang.runtime.model import Model
from netlang.shipping import write_nets

OWN, ONNX, TORCH, AHEAD = "netlang", "onnxruntime", "torch", "torch AOTInductor"
NUMPY = "numpy"
"""A program that does nothing but import NumPy."""
MODULES = {OWN: (), ONNX: ("onnxruntime", "onnx"), TORCH: ("torch",), AHEAD: ("torch",)}
"""What must be installed for each."""
SUFFIXES = {OWN: ".netc", ONNX: ".onnx", TORCH: ".pt", AHEAD: ".pt2"}

_ARGUMENTS = "import sys\nfile, given, answered, threads = *sys.argv[1:4], int(sys.argv[4])\n"
_TORCH = """
import numpy as np, torch
torch.set_num_threads(threads)
net = {load}
def call(x):
    with torch.inference_mode():
        return net(torch.from_numpy(x)).numpy()
"""
_PROGRAMS = {
    OWN: """
import numpy as np, netlang
call = netlang.load(file, threads=threads)
""",
    ONNX: """
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
def call(x):
    return session.run(None, {"x": x})[0]
""",
    TORCH: _TORCH.format(load="torch.jit.load(file)"),
    AHEAD: _TORCH.format(load="torch._inductor.aoti_load_package(file)"),
}
_ANSWER = "x = np.load(given)\nnp.save(answered, call(x))\n"
_CALLS = """
if len(sys.argv) > 5:
    import json, time
    print(flush=True)
    for line in sys.stdin:
        end, times = time.perf_counter() + float(line), []
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            call(x)
            times.append(time.perf_counter() - start)
        print(json.dumps(times), flush=True)
"""


def missing(who: str) -> str:
    """The module that a kind of file lacks here; empty where nothing is missing."""
    return next((name for name in MODULES[who] if find_spec(name) is None), "")


def write_programs(folder: Path) -> None:
    """A program for each, and the runtime as its wheel has it."""
    program_of(folder, NUMPY).write_text("import numpy\n", encoding="utf-8")
    for who, program in _PROGRAMS.items():
        program_of(folder, who).write_text(_ARGUMENTS + program + _ANSWER + _CALLS, encoding="utf-8")
    with ZipFile(wheel.build(folder)) as archive:
        archive.extractall(folder / "runtime")


def program_of(folder: Path, who: str) -> Path:
    """A name that is no module's."""
    return folder / f"run {who}.py"


def environment(folder: Path) -> dict[str, str]:
    """Of the programs: netlang is what its wheel installs. Compiled modules are kept, as installing would keep them."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NETLANG"))}
    return {**own, "PYTHONPATH": str(folder / "runtime"), "OMP_WAIT_POLICY": "PASSIVE"}


def command(folder: Path, who: str, net: str, threads: int, *more: str) -> list[str]:
    """How a program is started; `more`: it goes on calling."""
    if who == NUMPY:
        return [sys.executable, str(program_of(folder, who))]
    file, answer = folder / f"{net}{SUFFIXES[who]}", folder / f"{net}.{who}.npy"
    return [
        sys.executable,
        str(program_of(folder, who)),
        *map(str, (file, folder / f"{net}.npy", answer, threads)),
        *more,
    ]


def write_file(folder: Path, who: str, net: str, model: Model, threads: int) -> Path:
    """The file of a net for inputs of one picture, or sequence."""
    path = folder / f"{net}{SUFFIXES[who]}"
    _WRITERS[who](path, model, images(model, 1), threads)
    return path


def _write_own(path: Path, model: Model, image: Array, threads: int) -> None:
    write_nets(path, [model], backend_for("cpu"), Request(threads=threads))


def _write_onnx(path: Path, model: Model, image: Array, threads: int) -> None:
    export: Callable[..., bytes] = import_module("benchmarks.peers.onnx_peer").export
    path.write_bytes(export(layers(model.net.outputs[0][1]), model.parameters, image.shape))


def _write_torch(path: Path, model: Model, image: Array, threads: int) -> None:
    torch, module = _module(model)
    with torch.inference_mode():
        torch.jit.save(torch.jit.freeze(torch.jit.trace(module, torch.from_numpy(image))), path)


def _write_ahead(path: Path, model: Model, image: Array, threads: int) -> None:
    torch, module = _module(model)
    torch.set_num_threads(threads)
    with torch.no_grad():
        exported = torch.export.export(module, (torch.from_numpy(image),))
        torch._inductor.aoti_compile_and_package(exported, package_path=str(path))


def _module(model: Model) -> tuple[Any, Any]:
    torch, peer = import_module("torch"), import_module("benchmarks.peers.torch_peer")
    return torch, peer.build(layers(model.net.outputs[0][1]), model.parameters).eval()


_WRITERS: Mapping[str, Callable[[Path, Model, Array, int], None]] = {
    OWN: _write_own,
    ONNX: _write_onnx,
    TORCH: _write_torch,
    AHEAD: _write_ahead,
}
