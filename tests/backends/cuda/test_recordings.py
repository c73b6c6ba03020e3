"""Recordings of one program for inputs in several places."""

from __future__ import annotations

from netlang.backends.common.homes import External
from netlang.backends.cuda.recordings import MOST_RECORDINGS, MOST_REMEMBERED, Places, Recordings

X, Y = External("input", "x"), External("input", "y")


class Made:
    """Notes for which places it was made."""

    def __init__(self, places: Places) -> None:
        self.places = dict(places)

    def replay(self) -> None:
        raise AssertionError("nothing is carried out here")


def test_addresses_that_come_again_are_read_where_they_are() -> None:
    recordings = Recordings(Made, 256)
    assert recordings.usual.places == {}  # type: ignore[attr-defined]
    assert recordings.reading({X: 512}) is None
    assert recordings.reading({X: 1024}) is None
    found = recordings.reading({X: 512})
    assert isinstance(found, Made) and found.places == {X: 512}
    assert recordings.reading({X: 512}) is found
    assert recordings.reading({X: 512, Y: 1024}) is None


def test_what_is_not_aligned_is_always_copied() -> None:
    recordings = Recordings(Made, 256)
    for _ in range(3):
        assert recordings.reading({X: 512, Y: 260}) is None


def test_few_are_kept() -> None:
    recordings = Recordings(Made, 256)
    for i in range(MOST_RECORDINGS + 1):
        for _ in range(2):
            recordings.reading({X: 256 * i})
    assert recordings.reading({X: 0}) is None
    assert recordings.reading({X: 256}) is not None
    for i in range(100, 101 + MOST_REMEMBERED):
        assert recordings.reading({X: 256 * i}) is None
    assert recordings.reading({X: 256 * 100}) is None
    assert len(recordings._others) == MOST_RECORDINGS and len(recordings._met) <= MOST_REMEMBERED
