"""The sparse autoencoder: unshared fields, stages that leave each other alone, a way back by the same weights."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from netlang.frontend import load

NET = EXAMPLES / "sparse_autoencoder" / "autoencoder.net"
SMALL = {"size": 14, "field": 5, "pool": 3}


def test_every_position_has_fields_of_its_own() -> None:
    net = load(NET).net
    shapes = {p.node.name: p.shape for p in net.params}
    assert shapes["stage1.fields.weight"] == (37, 37, 2, 1, 18, 18)
    assert shapes["stage2.fields.weight"] == (20, 20, 2, 2, 18, 18)
    assert shapes["stage3.fields.weight"] == (3, 3, 2, 2, 18, 18)


@pytest.mark.parametrize("phase, stage", [("first", 1), ("second", 2), ("third", 3)])
def test_a_phase_changes_its_own_stage_alone(phase: str, stage: int) -> None:
    model = netlang.compile(NET, arguments=SMALL).init(0)
    before = {name: np.array(a) for name, a in model.parameters.items()}
    model.trainer(phase=phase)(image=np.random.default_rng(0).random((4, 1, 14, 14), np.float32))
    changed = {name for name, a in model.parameters.items() if not np.array_equal(a, before[name])}
    assert changed == {f"stage{stage}.fields.weight"}


def test_fields_that_are_orthonormal_explain_everything() -> None:
    """With one position and as many maps as pixels, a rotation and back again leaves the picture as it was."""
    small = {"size": 5, "maps": 25, "field": 5, "pool": 1}
    text = NET.read_text()
    alone = text[: text.index("  second, _back2")] + "  output reconstruction = back\n  output seen = x\n"
    alone += "  output cost = cost1\n  output made = first\n}\n"
    model = netlang.compile(alone, arguments=small).init(0)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(25, 25)))[0]
    model.parameters["stage1.fields.weight"] = rotation.reshape(1, 1, 25, 1, 5, 5).astype(np.float32)
    out = model(np.random.default_rng(1).random((3, 1, 5, 5), np.float32))
    np.testing.assert_allclose(out["reconstruction"], out["seen"], atol=1e-5)
