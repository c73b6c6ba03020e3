"""Files that are a convenience: written whole or not at all, and read back only if they are what was written.

A file is one line, `netlang-<kind> <SHA-256 of the rest>`, and the rest. It is written under another name, synced and
renamed, so a reader sees a whole file or none; a damaged one, or one of another kind, reads like a missing one.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path


def read(path: Path, kind: str) -> bytes | None:
    """What `write` kept there, or None where there is no such file or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, _, body = data.partition(b"\n")
    return body if head == _head(kind, body) else None


def write(path: Path, kind: str, body: bytes) -> bool:
    """Keep something. False where the file system refuses: whoever needs it makes it again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_head(kind, body) + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:  # a full or read-only disk
        Path(temporary).unlink(missing_ok=True)
        return False
    return True


def is_writable(folder: Path) -> bool:
    """Whether what is written into a folder, which is made where there is none, can be expected to stay there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _head(kind: str, body: bytes) -> bytes:
    return f"netlang-{kind} {sha256(body).hexdigest()}".encode("ascii")
