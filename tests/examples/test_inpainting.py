"""Filling in: the holes, and who learns when."""

from __future__ import annotations

import numpy as np

import netlang
from benchmarks.family.records import EXAMPLES

CONTEXT = EXAMPLES / "inpainting" / "context.net"
SMALL = {"maps": 2, "code": 8}
IMAGE = np.random.default_rng(0).random((40, 1, 28, 28), np.float32)


def test_holes_are_squares_away_from_the_border_at_places_of_their_own() -> None:
    model = netlang.compile(CONTEXT, arguments=SMALL, threads=1).init(seed=1)
    seen = model(IMAGE, seed=3)
    holes = seen["missing"][:, 0]
    assert (holes.sum(axis=(1, 2)) == 14 * 14).all()
    tops, lefts = holes.any(axis=2).argmax(axis=1), holes.any(axis=1).argmax(axis=1)
    for hole, top, left in zip(holes, tops, lefts, strict=True):
        assert (hole[top : top + 14, left : left + 14] == 1).all()
    assert {tops.min(), lefts.min()} >= {4} and max(tops.max(), lefts.max()) == 10
    assert len(set(zip(tops, lefts, strict=True))) > 20
    np.testing.assert_array_equal(model(IMAGE, seed=3)["missing"], seen["missing"])


def test_only_the_hole_is_filled_and_what_was_there_is_not_seen() -> None:
    model = netlang.compile(CONTEXT, arguments=SMALL, threads=1).init(seed=1)
    seen = model(IMAGE, seed=3)
    rest = seen["missing"] == 0
    np.testing.assert_array_equal(seen["filled"][rest], IMAGE[rest])
    assert (seen["seen"][~rest] == 0).all()
    other = np.where(rest, IMAGE, 1 - IMAGE)
    np.testing.assert_array_equal(model(other, seed=3)["filled"], seen["filled"])


def test_judge_and_autoencoder_learn_in_turns() -> None:
    model = netlang.compile(CONTEXT, arguments=SMALL, threads=1).init(seed=1)

    def learned(phase: str) -> set[str]:
        before = {name: value.copy() for name, value in model.parameters.items()}
        model.trainer(seed=1, phase=phase)(image=IMAGE)
        return {n.split(".")[0] for n, value in before.items() if (model.parameters[n] != value).any()}

    assert learned("alone") == {"autoencoder"}
    assert learned("judging") == {"judge"}
    assert learned("filling") == {"autoencoder"}
