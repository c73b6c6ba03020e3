"""What is told of a file whose checksums are right and whose manifest is not what the compiler writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netlang.diagnostics import NetError
from netlang.runtime.artifact.container import Artifact

_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def damage_told(artifact: Artifact) -> Iterator[None]:
    """Raises NetError for what cannot be made sense of."""
    try:
        yield
    except _DAMAGE as fault:
        reason = f"it lacks {fault}" if isinstance(fault, KeyError) else str(fault)
        message = f"{artifact.path} is damaged: its manifest makes no sense: {reason}"
        raise NetError(message, hint="compile it again") from fault
