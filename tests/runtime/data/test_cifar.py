"""CIFAR-10 in its two forms, and how what is none is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.diagnostics import NetError
from netlang.runtime.data.cifar import RECORD, TEST, TRAIN

RNG = np.random.default_rng(0)


def test_the_binary_version(tmp_path: Path) -> None:
    records = {name: RNG.integers(0, 10, (4, RECORD)).astype(np.uint8) for name in (*TRAIN, TEST)}
    for name, batch in records.items():
        batch.tofile(tmp_path / name)
    data = netlang.data(f"cifar:{tmp_path}")
    assert data.train["image"].shape == (20, 3, 32, 32) and data.test["label"].dtype == np.int64
    assert np.array_equal(data.train["label"][4:8], records[TRAIN[1]][:, 0])
    # A record holds the red plane first, row by row.
    assert data.test["image"][2, 1, 3, 5] == records[TEST][2, 1 + 1024 + 3 * 32 + 5]


def test_a_part_in_an_npz_file(tmp_path: Path) -> None:
    images, labels = RNG.integers(0, 256, (10, 32, 32, 3)).astype(np.uint8), np.arange(10)
    np.savez(tmp_path / "part.npz", images=images, labels=labels)
    data = netlang.data(f"cifar:{tmp_path / 'part.npz'}")
    assert list(data.test["label"]) == [4, 9] and data.classes[4] == "deer"
    assert np.array_equal(data.train["image"][0].transpose(1, 2, 0), images[0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 32, 32, 3), np.uint8)}, "no array 'labels'"),
        ({"images": np.zeros((2, 28, 28, 3), np.uint8), "labels": np.zeros(2, int)}, "is no part of CIFAR-10"),
        ({"images": np.zeros((2, 32, 32, 3), np.uint8), "labels": np.array([3, 10])}, "picture 1 is of class 10"),
    ],
)
def test_an_npz_file_that_is_no_part_of_it(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    np.savez(tmp_path / "part.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(NetError, match=message):
        netlang.data(f"cifar:{tmp_path / 'part.npz'}")


def test_a_folder_without_batches_or_with_broken_ones(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"data_batch_1\.bin: No such file"):
        netlang.data(f"cifar:{tmp_path}")
    (tmp_path / TRAIN[0]).write_bytes(b"\1" * (RECORD + 1))
    with pytest.raises(NetError, match="3,074 bytes are not records of 3,073"):
        netlang.data(f"cifar:{tmp_path}")


def test_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetError, match="CIFAR's pictures are not on this machine; looked for") as fault:
        netlang.data("cifar")
    assert "cifar:DIR" in fault.value.diagnostics[0].hint
