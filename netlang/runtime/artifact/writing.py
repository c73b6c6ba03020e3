"""Writing an artifact: whole or not at all, and the same bytes for the same content."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, BinaryIO

from netlang.runtime.artifact.container import ALIGNMENT, FORMAT, HEADER, LONGEST_MANIFEST, MAGIC
from netlang.runtime.files import replacing


def write_artifact(path: str | os.PathLike[str], content: Mapping[str, Any], members: Mapping[str, Any]) -> int:
    """Write a file that `open_artifact` reads; returns its size in bytes. What was there before is replaced at the end.

    content   what JSON can hold; floats that are no numbers (NaN) are refused
    members   by name, whatever has its bytes in one piece: bytes, C-contiguous arrays

    Raises NetError for what the file system refuses.
    """
    bodies = {name: _bytes(members[name]) for name in sorted(members)}
    manifest, offsets, size = _laid_out(content, bodies)
    head = HEADER.pack(MAGIC, FORMAT, 0, size, len(manifest), sha256(manifest).digest())
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(head + manifest)
        for name, body in bodies.items():
            _pad(file, offsets[name])
            file.write(body)
        _pad(file, size)
    return size


def _bytes(body: Any) -> memoryview:
    view = memoryview(body)
    return view.cast("B") if view.nbytes else memoryview(b"")


def _laid_out(content: Mapping[str, Any], bodies: Mapping[str, memoryview]) -> tuple[bytes, dict[str, int], int]:
    """(the manifest, where each member begins, bytes of the file).

    Where members begin depends on the manifest's length, and that on the digits of the places: places only grow until
    they fit.
    """
    digests = {name: sha256(body).hexdigest() for name, body in bodies.items()}
    room = 0
    while True:
        offsets, end = {}, _aligned(room)
        for name, body in bodies.items():
            offsets[name] = end
            end = _aligned(end + len(body))
        listed = {name: [offsets[name], len(body), digests[name]] for name, body in bodies.items()}
        manifest = json.dumps(
            {"content": content, "members": listed}, sort_keys=True, separators=(",", ":"), allow_nan=False
        ).encode("ascii")
        if HEADER.size + len(manifest) <= _aligned(room):
            break
        room = HEADER.size + len(manifest)
    if len(manifest) > LONGEST_MANIFEST:
        raise ValueError(f"a manifest of {len(manifest)} bytes is longer than any reader takes")
    return manifest, offsets, end


def _aligned(place: int) -> int:
    return -(-place // ALIGNMENT) * ALIGNMENT


def _pad(file: BinaryIO, place: int) -> None:
    file.write(bytes(place - file.tell()))
