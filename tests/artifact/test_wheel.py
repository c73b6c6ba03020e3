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


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment in which pip has installed the wheel, and NumPy is besides."""
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    installed = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (installed / name).exists():
            (packages / name).symlink_to(installed / name)
    return python


def carry_out(python: Path, code: str, *arguments: Path) -> None:
    """A program in the empty environment, where everything that is imported of netlang has to be."""
    checked = (
        f"{code}\n"
        "import sys\n"
        "ours = [m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'netlang']\n"
        "assert ours and all(f.startswith(sys.prefix) for f in ours), ours"
    )
    subprocess.run([str(python), "-I", "-c", checked, *map(str, arguments)], check=True, cwd=python.parent)


def test_a_file_made_elsewhere_runs_with_the_wheel_alone(
    empty: Path, small: tuple[Model, Path], tmp_path: Path
) -> None:
    model, path = small
    image, out = np.ones((2, 3, 9, 9), np.float32), tmp_path / "out.npy"
    code = (
        "import sys, numpy as np, netlang\n"
        "np.save(sys.argv[2], netlang.load(sys.argv[1])(np.ones((2, 3, 9, 9), np.float32)))"
    )
    carry_out(empty, code, path, out)
    np.testing.assert_array_equal(np.load(out), model(image))


def test_nothing_else_is_there(empty: Path) -> None:
    code = "import netlang, importlib.util\n" + f"assert not any(map(importlib.util.find_spec, {BLOCKED!r}))"
    carry_out(empty, code)


def test_it_goes_on_learning_with_the_wheel_alone(empty: Path, tmp_path: Path) -> None:
    model, path = learner(tmp_path)
    code = (
        "import sys, numpy as np, netlang\n"
        "net, draw = netlang.load(sys.argv[1]), np.random.default_rng(0)\n"
        "image = draw.normal(size=(24, 2, 8, 8)).astype(np.float32)\n"
        "net.step(image=image, label=draw.integers(0, 5, 24))\n"
        "net.save_checkpoint(sys.argv[2] + '/c')\n"
        "net.load_checkpoint(sys.argv[2] + '/c')\n"
        "net.save_weights(sys.argv[2] + '/w')"
    )
    carry_out(empty, code, path, tmp_path)
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
