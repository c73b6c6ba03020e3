"""Memory for inference beside onnxruntime: how much a fresh process grows by making a model and calling it.

    python -m benchmarks.memory [NET ...] [--batch 1] [--threads 2]

Each figure comes from a process of its own. It imports what it needs and makes and calls a net of one op, so that all
libraries are there and set up. Then it notes its resident set, loads weights from a file, makes the model (or session),
calls it five times, and notes the resident set again; the highest one on the way is the kernel's own count. The machine
code is in the cache already: compiling is not what is measured. The input, an image or sixteen, is made before.
`planned` is what `Model` says of itself: parameters and working memory.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import netlang
from benchmarks.networks import NETS, images, load_net, make_model
from netlang.cli.output import bytes_text, table
from netlang.driver import assemble, backend_for, options

OWN, HALF, FROZEN, PEER = "netlang", "netlang bfloat16", "netlang frozen", "onnxruntime"
CALLS = 5
TINY = "net tiny { input x: f32[N, 4]\n output y = relu(x) }"
_COLUMNS = ("net", "who", "grown", "at most", "planned")


def resident(key: str) -> int:
    """Bytes of this process's resident set: `VmRSS` now, `VmHWM` at most."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def prepare(name: str, folder: Path, batch: int, threads: int) -> None:
    """Write weights, the input and the ONNX form of a net into `folder`; fill the cache of machine code."""
    model = make_model(name, threads)
    model.save_weights(folder / "weights.safetensors")
    np.save(folder / "image.npy", images(model, batch))
    assemble(load_net(name), backend_for("cpu", options(weights_as="bfloat16")), threads=threads).compiled.build()
    if find_spec("onnxruntime") and find_spec("onnx"):
        layers = import_module("benchmarks.layers").layers(model.net.outputs[0][1])
        shape = np.load(folder / "image.npy", mmap_mode="r").shape
        exported = import_module("benchmarks.peers.onnx_peer").export(layers, model.parameters, shape)
        (folder / "net.onnx").write_bytes(exported)
        (folder / "tiny.onnx").write_bytes(_one_op())


def _one_op() -> bytes:
    """`TINY` for onnxruntime."""
    onnx: Any = import_module("onnx")
    kind = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "tiny", kind[:1], kind[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def own(name: str, folder: Path, threads: int, who: str) -> Callable[[], Any]:
    """What `netlang.compile` and `load_weights` do."""
    wanted = options(weights_as="bfloat16" if who == HALF else None)
    image = np.load(folder / "image.npy")
    start: dict[str, int] = {}

    def work() -> dict[str, int]:
        model = assemble(load_net(name), backend_for("cpu", wanted), threads=threads)
        model.compiled.build()
        model.load_weights(folder / "weights.safetensors")
        if who == FROZEN:
            model.freeze()
        for _ in range(CALLS):
            model(image)
        held = sum(array.nbytes for array in model.store.values())
        start["planned"] = held + model.compiled.planned_bytes({"N": len(image)})
        return measured(model) | start

    netlang.compile(TINY, threads=threads)(np.zeros((1, 4), np.float32))
    return work


def peer(folder: Path, threads: int) -> Callable[[], Any]:
    runtime: Any = import_module("onnxruntime")
    image = np.load(folder / "image.npy")

    def session(name: str) -> Any:
        wanted = runtime.SessionOptions()
        wanted.intra_op_num_threads, wanted.inter_op_num_threads = threads, 1
        return runtime.InferenceSession(str(folder / name), wanted, providers=["CPUExecutionProvider"])

    def work() -> dict[str, int]:
        made = session("net.onnx")
        for _ in range(CALLS):
            made.run(None, {"x": image})
        return measured(made)

    session("tiny.onnx").run(None, {"x": np.zeros((1, 4), np.float32)})
    return work


def measured(alive: object) -> dict[str, int]:
    """The resident set while `alive` still is."""
    gc.collect()
    return {"now": resident("VmRSS"), "most": resident("VmHWM"), "alive": int(alive is not None)}


def child(name: str, who: str, folder: Path, threads: int) -> None:
    """What the process of one figure does; prints JSON."""
    work = peer(folder, threads) if who == PEER else own(name, folder, threads, who)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest resident set so far
    before = resident("VmRSS")
    found = work()
    planned = found.get("planned", 0)
    print(json.dumps({"grown": found["now"] - before, "at most": found["most"] - before, "planned": planned}))


def figures(name: str, batch: int, threads: int) -> dict[str, dict[str, int]]:
    """By who computes a net: bytes `grown`, `at most` and `planned` (0: not told). Raises SystemExit where a process
    fails."""
    found: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(name, folder, batch, threads)
        for who in (OWN, FROZEN, HALF, *((PEER,) if (folder / "net.onnx").exists() else ())):
            command = [sys.executable, "-m", "benchmarks.memory", name, "--child", who, "--folder", place]
            done = subprocess.run([*command, "--threads", str(threads)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name}, {who}: {done.stderr}")
            found[who] = json.loads(done.stdout)
    return found


def rows(name: str, found: dict[str, dict[str, int]]) -> list[tuple[str, ...]]:
    """The lines of one net."""
    return [
        (name, who, bytes_text(f["grown"]), bytes_text(f["at most"]), bytes_text(f["planned"]) if f["planned"] else "-")
        for who, f in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}; all if none is named")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.nets[0], options.child, options.folder, options.threads)
        return
    nets = options.nets or NETS
    lines = [row for name in nets for row in rows(name, figures(name, options.batch, options.threads))]
    table(f"resident memory, batch {options.batch}", _COLUMNS, lines, text_columns=2)


if __name__ == "__main__":
    main()
