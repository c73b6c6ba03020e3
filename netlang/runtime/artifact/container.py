"""An artifact as it lies on the disk, and reading it: everything is checked before it is believed.

    0    8 bytes   MAGIC
    8    uint32    version of the format, FORMAT
    12   uint32    0
    16   uint64    bytes of the whole file
    24   uint64    bytes of the manifest
    32   32 bytes  SHA-256 of the manifest
    64             the manifest: JSON {"content": ..., "members": {name: [offset, bytes, SHA-256 in hexadecimals]}}
                   zeros up to the next multiple of ALIGNMENT, then the members, each followed by such zeros

Numbers are little-endian. Nothing is ever unpickled or evaluated. A file must not be changed in place while it is
mapped; `write_artifact` never does that, it puts a new file in the old one's place.
"""

import json
import mmap
import os
import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from netlang.diagnostics import NetError, did_you_mean

MAGIC = b"\x93NETC\r\n\x1a"
"""Its first byte is no text's, and its line end does not survive being copied as text."""
FORMAT = 1
HEADER = struct.Struct("<8sIIQQ32s")
ALIGNMENT = 4096
"""Bytes: the smallest page of the machines that code is generated for."""
LONGEST_MANIFEST = 256 << 20
_AGAIN = "compile it again, or copy it again from where it was made"


class Member(NamedTuple):
    """Where a member is in the file, in bytes, and the SHA-256 of what it holds."""

    offset: int
    size: int
    digest: bytes


class Artifact:
    """An open artifact. Its members are parts of the mapped file, which lives as long as any of them is referred to.

    path      as it was given
    content   what whoever wrote it says of it
    """

    def __init__(self, path: str, mapped: mmap.mmap, content: dict[str, Any], members: Mapping[str, Member]) -> None:
        self.path, self.content, self.members = path, content, members
        self._mapped = mapped
        self._checked: set[str] = set()

    def member(self, name: str) -> memoryview:
        """The bytes of a member, read-only. Raises NetError where there is none, or it is not as it was written."""
        if name not in self.members:
            hint = did_you_mean(name, self.members) or "it was made for something else"
            raise NetError(f"{self.path} has no member '{name}'", hint=hint)
        found = self.members[name]
        view = memoryview(self._mapped)[found.offset : found.offset + found.size]
        if name not in self._checked:
            if sha256(view).digest() != found.digest:
                raise _damaged(self.path, f"its member '{name}' was altered")
            self._checked.add(name)
        return view

    def check(self) -> None:
        """Raises NetError where any member is not as it was written."""
        for name in self.members:
            self.member(name)


def open_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Map an artifact and read its manifest; members are checked when they are first asked for.

    Raises NetError for what is no artifact, was cut off or altered, or comes from a newer version.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length, digest = _header(name, file.read(HEADER.size), size)
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except OSError as fault:
        raise NetError(f"cannot read {name}: {fault.strerror or fault}") from fault
    except ValueError as fault:  # a path that cannot be one
        raise NetError(f"cannot read {name!r}: {fault}") from fault
    body = mapped[HEADER.size : HEADER.size + length]
    if sha256(body).digest() != digest:
        raise _damaged(name, "its manifest was altered")
    content, members = _manifest(name, body, size)
    return Artifact(name, mapped, content, members)


def _header(path: str, head: bytes, size: int) -> tuple[int, bytes]:
    """(bytes, SHA-256) of the manifest."""
    if not head:
        raise NetError(f"{path} is empty", hint=_AGAIN)
    if head[: len(MAGIC)] != MAGIC[: len(head)]:
        raise NetError(f"{path} is no compiled network", hint="netc compile model.net -o model.netc makes one")
    if len(head) < HEADER.size:
        raise _damaged(path, f"it ends after {size} bytes")
    _, version, zero, whole, length, digest = HEADER.unpack(head)
    if version > FORMAT:
        raise NetError(
            f"{path} has version {version} of the format, and this netlang knows versions up to {FORMAT}",
            hint="install a newer netlang, or compile it again with this one",
        )
    if version < 1 or zero:
        raise _damaged(path, "its header was altered")
    if whole != size:
        raise _damaged(path, f"it has {size} bytes where {whole} were written")
    if length > min(LONGEST_MANIFEST, size - HEADER.size):
        raise _damaged(path, f"its manifest cannot have {length} bytes")
    return length, digest


def _manifest(path: str, body: bytes, size: int) -> tuple[dict[str, Any], dict[str, Member]]:
    try:
        found = json.loads(body, object_pairs_hook=_distinct)
        content, listed = found["content"], found["members"]
        members = {name: Member(m[0], m[1], bytes.fromhex(m[2])) for name, m in listed.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as fault:
        raise _damaged(path, f"its manifest cannot be read: {fault}") from fault
    end = HEADER.size + len(body)
    for name, member in sorted(members.items(), key=lambda m: (_whole(m[1].offset), m[0])):
        if not _fits(member, end, size):
            raise _damaged(path, f"its member '{name}' is not where one can be")
        end = member.offset + member.size
    if not isinstance(content, dict):
        raise _damaged(path, "its manifest says nothing of what it is")
    return content, members


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it says something twice")
    return found


def _whole(number: Any) -> int:
    return number if type(number) is int else -1


def _fits(member: Member, after: int, size: int) -> bool:
    """Whether it lies behind what comes before it, and in the file."""
    if type(member.offset) is not int or type(member.size) is not int or len(member.digest) != sha256().digest_size:
        return False
    aligned = member.offset % ALIGNMENT == 0
    return aligned and after <= member.offset and member.size >= 0 and member.offset + member.size <= size


def _damaged(path: str, reason: str) -> NetError:
    return NetError(f"{path} is damaged: {reason}", hint=_AGAIN)
