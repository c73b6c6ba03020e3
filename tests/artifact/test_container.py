"""The container: what was written comes back, the same bytes each time, and no damage goes unnoticed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.diagnostics import NetError
from netlang.runtime.artifact import ALIGNMENT, FORMAT, Artifact, open_artifact, write_artifact
from netlang.runtime.artifact.container import HEADER, MAGIC

CONTENT = {"target": "cpu", "sizes": ["N"], "numbers": [1, -(2**62)], "deep": {"ä": True}}
MEMBERS = {
    "weights/a": np.arange(3000, dtype=np.float32).reshape(30, 100),
    "code/x86-64-v3": bytes(range(256)) * 20,
    "none": b"",
    "cuda/sm_90/conv": b"cubin",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "m.netc"
    write_artifact(place, CONTENT, MEMBERS)
    return place


def test_what_was_written_comes_back(path: Path) -> None:
    artifact = open_artifact(path)
    assert artifact.content == CONTENT
    assert {name: bytes(artifact.member(name)) for name in artifact.members} == {
        name: bytes(memoryview(body)) for name, body in MEMBERS.items()
    }
    assert artifact.member("weights/a").readonly
    assert all(member.offset % ALIGNMENT == 0 for member in artifact.members.values())


def test_the_size_is_told(tmp_path: Path) -> None:
    place = tmp_path / "m.netc"
    assert write_artifact(place, CONTENT, MEMBERS) == place.stat().st_size


def test_members_stay_when_the_artifact_is_gone(path: Path) -> None:
    view = open_artifact(path).member("weights/a")
    path.unlink()
    assert np.frombuffer(view, np.float32)[-1] == 2999


def test_the_same_bytes_each_time(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "n.netc"
    backwards: dict[str, Any] = dict(reversed(MEMBERS.items()))
    write_artifact(other, dict(reversed(CONTENT.items())), backwards)
    assert other.read_bytes() == path.read_bytes()


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(st.text(max_size=30), st.integers() | st.text() | st.lists(st.booleans()), max_size=5),
    st.dictionaries(st.text(max_size=2000), st.binary(max_size=9000), max_size=5),
)
def test_anything_comes_back(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any], members: dict[str, bytes]
) -> None:
    place = tmp_path_factory.mktemp("any") / "m.netc"
    write_artifact(place, content, members)
    artifact = open_artifact(place)
    assert artifact.content == content
    assert {name: bytes(artifact.member(name)) for name in artifact.members} == members


def test_a_file_that_cannot_be_finished_leaves_the_old_one(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        write_artifact(path, {"x": float("nan")}, {})
    with pytest.raises(NetError, match="cannot write"):
        write_artifact(path / "below", {}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def read_all(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    artifact: Artifact = open_artifact(path)
    artifact.check()
    return artifact.content, {name: bytes(artifact.member(name)) for name in artifact.members}


def test_two_thousand_corruptions(path: Path) -> None:
    """Each is refused, or has changed nothing that is read."""
    whole, expected = path.read_bytes(), read_all(path)
    draw = random.Random(7)
    refused = 0
    for i in range(2000):
        path.write_bytes(corrupted(whole, draw, i % 4))
        try:
            found = read_all(path)
        except NetError as fault:
            assert str(path) in str(fault)
            refused += 1
        else:
            assert found == expected
    assert refused > 1000


def corrupted(whole: bytes, draw: random.Random, how: int) -> bytes:
    """Cut off, with something in between, with some bytes of its beginning changed, or of any part."""
    place = draw.randrange(len(whole))
    if how == 0:
        return whole[:place]
    if how == 1:
        return whole[:place] + draw.randbytes(draw.randint(1, 5000)) + whole[place:]
    body = bytearray(whole)
    for _ in range(draw.randint(1, 4)):
        body[draw.randrange(600 if how == 2 else len(whole))] = draw.randrange(256)
    return bytes(body)


def sealed(manifest: bytes, *, version: int = FORMAT, behind: int = 2 * ALIGNMENT) -> bytes:
    """A file with this manifest whose checksum is right: what someone may send who means harm."""
    size = HEADER.size + len(manifest) + behind
    return HEADER.pack(MAGIC, version, 0, size, len(manifest), sha256(manifest).digest()) + manifest + bytes(behind)


def manifest(**members: Any) -> bytes:
    return json.dumps({"content": {}, "members": members}).encode()


EMPTY = sha256(b"").hexdigest()
HOSTILE = {
    "no JSON": b"{",
    "no object": b"[]",
    "too deep": b"[" * 100_000,
    "not text": b"\xff\xfe",
    "no members": b'{"content": {}}',
    "content no object": b'{"content": 1, "members": {}}',
    "twice": b'{"content": {}, "members": {}, "members": {}}',
    "in the header": manifest(a=[0, 1, EMPTY]),
    "not aligned": manifest(a=[ALIGNMENT + 1, 0, EMPTY]),
    "behind the end": manifest(a=[ALIGNMENT, 1 << 60, EMPTY]),
    "negative": manifest(a=[ALIGNMENT, -1, EMPTY]),
    "a fraction": manifest(a=[ALIGNMENT, 0.5, EMPTY]),
    "no place": manifest(a=["x", 0, EMPTY]),
    "true": manifest(a=[ALIGNMENT, True, EMPTY]),
    "one over the other": manifest(a=[ALIGNMENT, 9, EMPTY], b=[ALIGNMENT, 9, EMPTY]),
    "short checksum": manifest(a=[ALIGNMENT, 0, "00"]),
    "no checksum": manifest(a=[ALIGNMENT, 0, None]),
    "too few": manifest(a=[ALIGNMENT]),
    "endless number": b'{"content": {}, "members": {"a": [' + b"9" * 10_000 + b"]}}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_manifests_that_mean_harm(tmp_path: Path, body: bytes) -> None:
    place = tmp_path / "m.netc"
    place.write_bytes(sealed(body))
    with pytest.raises(NetError, match="is damaged"):
        open_artifact(place)


def test_a_manifest_that_means_none(tmp_path: Path) -> None:
    place = tmp_path / "m.netc"
    place.write_bytes(sealed(manifest(a=[ALIGNMENT, 0, EMPTY])))
    assert bytes(open_artifact(place).member("a")) == b""


def test_what_is_told(path: Path, tmp_path: Path) -> None:
    place = tmp_path / "other.netc"
    whole = path.read_bytes()
    for body, told in (
        (b"", "is empty"),
        (b"net lenet {", "is no compiled network"),
        (whole[:30], "it ends after 30 bytes"),
        (whole[:-1], f"it has {len(whole) - 1} bytes where {len(whole)} were written"),
        (sealed(manifest(), version=FORMAT + 1), f"has version {FORMAT + 1} of the format"),
        (sealed(manifest(), version=0), "its header was altered"),
    ):
        place.write_bytes(body)
        with pytest.raises(NetError) as fault:
            open_artifact(place)
        assert f"{place} " in str(fault.value)
        assert told in str(fault.value)
        assert "hint: " in str(fault.value)
    with pytest.raises(NetError, match="has no member 'weights/b'"):
        open_artifact(path).member("weights/b")
    with pytest.raises(NetError, match=r"cannot read .*: No such file"):
        open_artifact(tmp_path / "missing")
    with pytest.raises(NetError, match=r"cannot read .*: Is a directory"):
        open_artifact(tmp_path)
    with pytest.raises(NetError, match="cannot read"):
        open_artifact("a\0b")


def test_nothing_but_the_standard_library_is_needed(path: Path) -> None:
    """Not even NumPy, to look into a file."""
    code = (
        "import sys\n"
        "for name in ('numba', 'llvmlite', 'lark', 'rich', 'safetensors', 'PIL', 'ml_dtypes', 'numpy'):\n"
        "    sys.modules[name] = None\n"
        "from netlang.runtime.artifact import open_artifact\n"
        "print(len(open_artifact(sys.argv[1]).members))"
    )
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(len(MEMBERS))
