"""What `netc env` says of CUDA."""

from __future__ import annotations

import pytest

from netlang import NetError
from netlang.backends.cuda import found, versions
from netlang.backends.cuda.driver.faults import no_driver
from netlang.cli import main
from tests.backends.cuda.driver.fake import FakeDriver


def with_driver(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> dict[str, str]:
    monkeypatch.setattr(found, "Driver", lambda: driver)
    return dict(found.found())


def test_every_gpu_is_listed_with_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = with_driver(monkeypatch, FakeDriver(gpus=2, version=12040))
    assert rows["cuda driver"] == "supports CUDA 12.4"
    assert rows["gpu 0"] == rows["gpu 1"] == "Some GPU, compute capability 8.0, 1.1 GB, 108 multiprocessors"
    assert "gpu" not in rows


def test_a_driver_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_driver(monkeypatch, FakeDriver(gpus=0))["gpu"] == "none"


def test_no_driver_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise no_driver()

    monkeypatch.setattr(found, "Driver", missing)
    text = dict(found.found())["gpu"]
    assert text.startswith("no NVIDIA driver is installed") and "\n" not in text


def test_packages_and_what_is_missing_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda: {"numba-cuda": "1.2", "nvvm": ""})

    def incomplete() -> None:
        raise NetError("compiling for cuda needs nvvm, which is not installed")

    monkeypatch.setattr(versions, "require", incomplete)
    text = dict(found.found())["cuda packages"]
    assert text == "numba-cuda 1.2, compiling for cuda needs nvvm, which is not installed"


def test_the_command_shows_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(found, "Driver", lambda: FakeDriver())
    assert main(["env"]) == 0
    out = capsys.readouterr().out
    assert "Some GPU, compute capability 8.0" in out and "cuda packages" in out
