"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlang.diagnostics import NetError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on success it takes the place of `path` and is on the disk.

    Raises NetError for what the file system refuses.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        os.close(handle)
    except ValueError as fault:  # a path that cannot be one
        raise NetError(f"cannot write {str(target)!r}: {fault}") from fault
    except OSError as fault:
        raise NetError(f"cannot write {target}: {fault.strerror or fault}") from fault
    temporary = Path(name)
    try:
        yield temporary
        _to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, target)
        _to_disk(target.parent)
    except OSError as fault:
        raise NetError(f"cannot write {target}: {fault.strerror or fault}") from fault
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's file creation mask; reading it means setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder with its parents. Raises NetError where that is refused."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise NetError(f"cannot create the folder {folder}: {fault.strerror or fault}") from fault
    return folder
