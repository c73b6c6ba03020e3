"""Files that are a convenience: what reads back is what was written, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang import storage


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "file"
    assert storage.read(place, "thing") is None
    assert storage.write(place, "thing", b"line\nline")
    assert storage.read(place, "thing") == b"line\nline"
    assert storage.write(place, "thing", b"")
    assert storage.read(place, "thing") == b""
    assert [p.name for p in place.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("damage", [slice(0, 0), slice(0, 20), slice(1, None), slice(0, -1)])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: slice) -> None:
    place = tmp_path / "file"
    storage.write(place, "thing", b"what it is about")
    place.write_bytes(place.read_bytes()[damage])
    assert storage.read(place, "thing") is None


def test_another_kind_is_not_read(tmp_path: Path) -> None:
    storage.write(tmp_path / "file", "thing-1", b"body")
    assert storage.read(tmp_path / "file", "thing-2") is None


def test_what_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("a file where the folder should be")
    assert not storage.write(tmp_path / "in-the-way" / "file", "thing", b"body")
    assert not storage.write(tmp_path, "thing", b"body")
    assert [p.name for p in tmp_path.iterdir()] == ["in-the-way"]
