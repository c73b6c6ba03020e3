"""Files whose checksums are right and whose contents are not what the compiler writes: refused, and never a crash.

What is loaded here executes nothing: machine code that is given other arguments may do anything, and no check can tell.
"""

from __future__ import annotations

import copy
import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.backends.common.loaded import LoadedNet
from netlang.backends.cpu.artifact.code import chosen_level, unpacked_bytes
from netlang.backends.cpu.artifact.formulas import check_entries
from netlang.backends.cpu.artifact.unpacking import unpacked
from netlang.diagnostics import NetError
from netlang.runtime.artifact import Artifact, open_artifact
from netlang.runtime.artifact.loading import net_of
from netlang.runtime.model import Model
from tests.artifact.conftest import BEST, model_of, write

PLAIN = "net n {\n  input x: f32[N, 4]\n  output y = relu(x) + x\n}"
"""Nothing follows from its parameters, so nothing is carried out when it is loaded."""
STRANGE: list[Any] = [None, True, -1, 0, 1, 7, 1 << 40, 1 << 70, 0.5, "", "x", "\0", [], [1], ["n", 9], {}, {"a": 1}]


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to everything inside."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [place for key, value in inside for place in ((*at, key), *places(value, (*at, key)))]


def altered(data: Any, draw: random.Random) -> Any:
    """The same with one or two things that are something else, or are gone."""
    made = copy.deepcopy(data)
    for _ in range(draw.randint(1, 2)):
        *way, key = draw.choice(places(made))
        inside = made
        for step in way:
            inside = inside[step]
        if draw.random() < 0.2:
            del inside[key]
        else:
            inside[key] = copy.deepcopy(draw.choice(STRANGE))
    return made


def test_manifests(tmp_path: Path) -> None:
    artifact = open_artifact(write(tmp_path / "n.netc", model_of(PLAIN)))
    del artifact.content["source"]
    draw, refused = random.Random(1), 0
    for _ in range(2000):
        other = Artifact(artifact.path, artifact._mapped, altered(artifact.content, draw), artifact.members)
        try:
            assert isinstance(net_of(other, None, 1, None), LoadedNet)
        except NetError as fault:
            assert str(tmp_path) in str(fault)
            refused += 1
    assert refused > 1000


def test_programs(small: tuple[Model, Path]) -> None:
    artifact = open_artifact(small[1])
    program = json.loads(zlib.decompress(artifact.member(f"program/small/{BEST[0]}")))
    constants, size = artifact.member("constants"), chosen_level(artifact)["bytes"]
    sizes = {name: array.nbytes for name, array in small[0].parameters.items()}
    known = {"input": {"image": None}, "output": {"probs": None}, "param": sizes}
    assert unpacked(program, constants, size, {"N"}, known).lines
    draw, refused = random.Random(2), 0
    for _ in range(2000):
        try:
            unpacked(altered(program, draw), constants, size, {"N"}, known)
        except (ValueError, LookupError, TypeError, AttributeError):  # what `damage_told` makes a NetError of
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize(
    "entries",
    [
        [["+", 0, 0]],
        [1, ["+", 0, -1]],
        [1, ["+", 0, 1]],
        [1, ["^", 0, 0]],
        [1, ["+", 0]],
        [True],
        ["M"],
        [1, ["steps", 0, [0, 5, 3], [1, 2, 3]]],
        [1, ["steps", 0, [], []]],
        [1, ["steps", 0, [0], ["x"]]],
        [1, ["?", 0, 0, 1]],
    ],
)
def test_entries_that_are_none(entries: list[Any]) -> None:
    check_entries([4, "N", ["+", 0, 1], ["?", 2, 0, 1], ["steps", 1, [0, 9], [3, 4]]], {"N"})
    with pytest.raises((ValueError, TypeError)):
        check_entries(entries, {"N"})


def test_no_more_is_unpacked_than_there_may_be(small: tuple[Model, Path]) -> None:
    artifact = open_artifact(small[1])
    body = memoryview(zlib.compress(bytes(1 << 20)))
    assert len(unpacked_bytes(artifact, body, 1 << 20)) == 1 << 20
    for most, cut in (((1 << 20) - 1, len(body)), (1 << 20, len(body) - 1), (1 << 20, 0)):
        with pytest.raises(NetError, match="is damaged"):
            unpacked_bytes(artifact, body[:cut], most)


def test_parameters_beside_the_weights(small: tuple[Model, Path]) -> None:
    artifact = open_artifact(small[1])
    for place in (["f32", [1 << 40], 0], ["f32", [5], 1 << 40], ["f32", [-5], 0], ["f9", [5], 0], ["f32", [5], -4]):
        content = copy.deepcopy(artifact.content)
        params = content["nets"]["small"]["params"]
        params[next(iter(params))] = place
        other = Artifact(artifact.path, artifact._mapped, content, artifact.members)
        with pytest.raises(NetError, match="is damaged"):
            net_of(other, None, 1, None)


def test_the_file_itself_is_loaded(small: tuple[Model, Path]) -> None:
    image = np.ones((1, 3, 9, 9), np.float32)
    assert np.array_equal(netlang.load(small[1])(image), small[0](image))
