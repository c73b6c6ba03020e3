"""The GPU's benchmark, as far as it can be looked at without a GPU: its table, its peers, and what it says here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import kernels
from benchmarks.gpu.cells import COMPILED, EAGER, OWN, Attempt, Cell, Figure, attempts, cells, collected, groups
from benchmarks.gpu.children import Children
from benchmarks.gpu.page import page
from benchmarks.gpu.running import NOT_COMPILED, NOT_MEASURED, Course
from benchmarks.layers import layers
from benchmarks.networks import images, labels, make_model
from netlang.backends.cuda.ahead import kernels_of
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.toolchain import identity
from netlang.driver import options

ROOT = Path(__file__).parent.parent
CELL, OTHER = Cell("lenet5", "inference", 1, "tf32"), Cell("lenet5", "training", 64, "bf16")
TARGET = CudaTarget("80")


def named(cell: Cell, who: str) -> str:
    return Attempt(cell, who).name


def test_names_of_cells_and_attempts_read_back() -> None:
    assert Cell.named(CELL.name) == CELL
    assert len({c.name for c in cells()}) == len(cells()) == 7 * 2 * 2 * 3
    assert [len(group) for group in groups(cells())] == [6] * 14
    for attempt in attempts([CELL], {}):
        assert Attempt.named(attempt.name) == attempt
    assert [a.who for a in attempts([CELL], {named(CELL, EAGER): ""})] == [OWN, COMPILED]


def test_table_has_ratios_and_says_what_is_missing() -> None:
    figures = [
        Figure(named(CELL, OWN), 1e-5, memory=1_500_000),
        Figure(named(CELL, EAGER), 4e-5, 1e-4),
        Figure(named(CELL, COMPILED), 2e-5, 1e-3),
        Figure(named(OTHER, OWN), 2e-3),
        Figure(named(OTHER, EAGER), 1e-3),
        Figure(named(OTHER, COMPILED), missing="RuntimeError: no"),
        *(Figure(named(Cell("vgg16", "training", n, "tf32"), COMPILED), missing=NOT_COMPILED) for n in (1, 64)),
    ]
    text = page(collected(figures), [CELL, OTHER])
    assert "| lenet5 | 1 | tf32 | 0.01 | 0.04 | 0.02 | 4.00 | 2.00 | 1.5 MB |" in text
    assert "| lenet5 | 64 | bf16 | 2 | 1 | – | 0.50 | – | – |" in text
    assert "batch 1: at least 2.00 times as fast as torch.compile (lenet5 inference 1 tf32, of 1); aim 1.5" in text
    assert "batch 64: 0.50 times as fast as torch" in text
    assert "tf32: outputs differ by 1.0e-03" in text
    assert "lenet5 training 64 bf16: torch.compile: RuntimeError: no" in text
    assert f"torch.compile: {NOT_COMPILED}: 2 cells" in text


class Script(Children):
    """Processes that do what they are told to: `play(attempts, tell)` tells figures and returns (status, last line)."""

    def __init__(self, play: Callable[[list[str], Callable[[str], None]], tuple[int | None, str]]) -> None:
        super().__init__()
        self.play = play
        self.asked: list[list[str]] = []

    def run(
        self,
        module: str,
        arguments: Sequence[str],
        until: float,
        told: Callable[[str], None] = lambda line: None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int | None, str]:
        names = list(arguments[: arguments.index("--until")])
        self.asked.append(names)
        return self.play(names, told)


def course(folder: Path, play: Callable[[list[str], Callable[[str], None]], tuple[int | None, str]]) -> Course:
    return Course([CELL], TARGET, folder, Script(play), lambda line: None)


def reasons(run: Course) -> dict[str, str]:
    return {Attempt.named(f.attempt).who: f.missing for f in run.figures}


def test_what_ends_a_process_has_no_figure_and_the_others_go_on(tmp_path: Path) -> None:
    def play(names: list[str], tell: Callable[[str], None]) -> tuple[int | None, str]:
        tell("a library says something")
        if names[0] == named(CELL, OWN):
            return -11, "Segmentation fault"
        if len(names) == 2:
            tell(json.dumps(Figure(names[0], 1e-3).told()))
            tell(json.dumps(Figure(names[1], missing="OutOfMemoryError: no").told()))
            return 1, ""
        raise AssertionError(names)

    run = course(tmp_path, play)
    run.measure({OWN: [CELL], COMPILED: [CELL]}, True, time.time() + 100)
    assert reasons(run) == {OWN: "Segmentation fault", EAGER: "", COMPILED: "OutOfMemoryError: no"}


def test_what_there_is_no_time_for_is_said(tmp_path: Path) -> None:
    def play(names: list[str], tell: Callable[[str], None]) -> tuple[int | None, str]:
        tell(json.dumps(Figure(names[0], 1e-3).told()))
        return None, "it was not done in time"

    run = course(tmp_path, play)
    run.measure({OWN: [CELL], COMPILED: []}, True, time.time() + 100)
    assert reasons(run) == {OWN: "", EAGER: NOT_MEASURED, COMPILED: NOT_COMPILED}
    run = course(tmp_path, lambda names, tell: (0, ""))
    run.measure({OWN: [CELL], COMPILED: [CELL]}, False, time.time() + 100)
    assert reasons(run) == {OWN: NOT_MEASURED, EAGER: "torch is not installed", COMPILED: "torch is not installed"}


def timed(statement: str) -> list[str]:
    return ["-n1", "-r1", statement]


def test_processes_end_with_all_that_they_have_started() -> None:
    children, lines = Children(), list[str]()
    begin = time.time()
    forked = "import subprocess; subprocess.Popen(['sleep', '60']); print('begun', flush=True)"
    assert children.run("timeit", timed(forked), begin + 50, lines.append)[0] == 0
    assert lines[0] == "begun" and time.time() - begin < 50
    assert children.run("timeit", timed("raise ValueError('no')"), begin + 50) == (1, "ValueError: no")
    assert children.run("timeit", timed("pass"), time.time())[0] is None
    threading.Timer(1.0, children.end).start()
    assert children.run("timeit", timed("import time; time.sleep(60)"), begin + 50)[0] == -signal.SIGKILL
    assert children.run("timeit", timed("pass"), begin + 50) == (None, "it was interrupted")


def test_processes_end_when_their_time_does() -> None:
    lines: list[str] = []
    until = time.time() + 3
    long = "print('begun', flush=True); import time; time.sleep(60)"
    assert Children().run("timeit", timed(long), until, lines.append) == (None, "it was not done in time")
    assert time.time() - until < 30


def test_kernels_of_cells_are_found_without_a_gpu_and_read_back(tmp_path: Path) -> None:
    both = [CELL, Cell("lenet5", "training", 64, "tf32")]
    kernels.write(tmp_path, TARGET, both)
    found = kernels.listed(tmp_path)
    assert list(found) == both and all(found.values())
    wished = options(precision="tf32", batch=1)
    wanted = kernels_of(kernels._graph(CELL.net, CELL.mode), TARGET, wished)
    assert [identity(kernel) for kernel in found[CELL]] == [identity(kernel) for kernel in wanted]


def test_a_kernel_that_does_not_compile_keeps_no_other_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.write(tmp_path, TARGET, [CELL])
    bad, *others = kernels.listed(tmp_path)[CELL]
    made: list[Kernel] = []

    def cubin(kernel: Kernel, arch: str) -> None:
        if kernel == bad:
            raise RuntimeError("it means nothing")
        made.append(kernel)

    monkeypatch.setattr(kernels.build, "prepare", lambda wanted, arch: None)
    monkeypatch.setattr(kernels.toolchain, "cubin", cubin)
    assert kernels.compile_all(tmp_path, "80") == "it means nothing"
    assert set(made) == set(others)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("last", [False, True])
def test_peers_compute_what_we_do(precision: str, last: bool) -> None:
    torch_cuda = pytest.importorskip("benchmarks.gpu.torch_cuda")
    model = make_model("lenet5", 1)
    x, plan = images(model, 3), layers(model.net.outputs[0][1])
    call = torch_cuda.inference(plan, model.parameters, x, precision, last=last, compiled=False, device="cpu")
    tolerance = 1e-5 if precision == "float32" else 3e-2
    np.testing.assert_allclose(torch_cuda.to_numpy(call()), model(x), atol=tolerance)
    spec = model.module.train
    assert spec is not None
    loss = next(n for n in spec.graph.nodes if n.op == "cross_entropy")
    label = labels(model, 3)
    step = torch_cuda.training(
        layers(loss.inputs[0]), model.parameters, x, label, spec.optimizer.args, precision,
        last=last, compiled=False, device="cpu",
    )  # fmt: skip
    theirs = [float(step()) for _ in range(2)]
    trainer = model.trainer(0)
    np.testing.assert_allclose([trainer(x, label) for _ in range(2)], theirs, rtol=tolerance)


def test_without_a_gpu_it_says_so() -> None:
    pytest.importorskip("netlang.backends.cuda.driver")
    code = "import ctypes, sys; sys.exit(0 if ctypes.util.find_library('cuda') else 1)"
    if subprocess.run([sys.executable, "-c", f"import ctypes.util; {code}"]).returncode == 0:
        pytest.skip("this machine has a driver")
    found = subprocess.run([sys.executable, "-m", "benchmarks.cuda"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr and found.stderr.strip()
