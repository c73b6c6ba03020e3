"""The runtime's wheel: it has what it needs, and NumPy is all that it needs besides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from netlang.runtime.artifact.wheel import build, sources
from netlang.runtime.model import Model
from tests.artifact.test_loaded import BLOCKED
from tests.artifact.test_steps import IMAGE, LABEL, learner, saved


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def test_a_file_made_elsewhere_runs_with_the_wheel_alone(
    wheel: Path, small: tuple[Model, Path], tmp_path: Path
) -> None:
    model, path = small
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    image = np.ones((2, 3, 9, 9), np.float32)
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"for name in {BLOCKED!r}: sys.modules[name] = None\n"
        "import numpy as np, netlang\n"
        "assert netlang.__file__.startswith(sys.path[0]), netlang.__file__\n"
        "np.save(sys.argv[2], netlang.load(sys.argv[1])(np.ones((2, 3, 9, 9), np.float32)))\n"
        "ours = [m for m in sys.modules.values() if m and m.__name__.startswith('netlang')]\n"
        "assert all(m.__file__.startswith(sys.path[0]) for m in ours)"
    )
    out = tmp_path / "out.npy"
    subprocess.run([sys.executable, "-E", "-c", code, str(path), str(out)], check=True, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(out), model(image))


def test_it_goes_on_learning_with_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    model, path = learner(tmp_path)
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"for name in {BLOCKED!r}: sys.modules[name] = None\n"
        "import numpy as np, netlang\n"
        "net, draw = netlang.load(sys.argv[1]), np.random.default_rng(0)\n"
        "image = draw.normal(size=(24, 2, 8, 8)).astype(np.float32)\n"
        "net.step(image=image, label=draw.integers(0, 5, 24))\n"
        "net.save_checkpoint(sys.argv[2] + '/c')\n"
        "net.load_checkpoint(sys.argv[2] + '/c')\n"
        "net.save_weights(sys.argv[2] + '/w')\n"
        "ours = [m for m in sys.modules.values() if m and m.__name__.startswith('netlang')]\n"
        "assert all(m.__file__.startswith(sys.path[0]) for m in ours)"
    )
    subprocess.run([sys.executable, "-E", "-c", code, str(path), str(tmp_path)], check=True, cwd=tmp_path)
    model.trainer(3)(IMAGE, LABEL)
    assert (tmp_path / "w").read_bytes() == saved(tmp_path / "x", model.save_weights)


def test_it_is_a_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(n for n in names if n.endswith("METADATA"))
        metadata = archive.read(info).decode()
        record = archive.read(info.replace("METADATA", "RECORD")).decode()
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist")] == [
        "Requires-Dist: numpy>=1.26"
    ]
    assert [line.split(",")[0] for line in record.splitlines()] == names
    assert wheel.stat().st_size < 200_000


def test_the_same_bytes_each_time(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


def test_nothing_of_the_compiler_is_in_it() -> None:
    parts = ("netlang/passes", "netlang/frontend", "netlang/ops", "netlang/grammar", "netlang/backends/cpu/kernels")
    assert not [name for name in sources() if name.startswith(parts)]
