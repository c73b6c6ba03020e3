"""The texts of a protocol buffer: what is none in UTF-8 comes out of the parser as bytes, which are no name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_UNREAD = {"doc_string", "metadata_props"}
"""Fields that nobody reads here: an author's remarks may be in any encoding."""
_OF_TENSORS = ("name", "external_data")
"""Those of a TensorProto that are looked at: listing all of them would copy its elements."""


def broken_text(message: Any) -> bytes | None:
    """The first text in a message, or in those within it, that is not UTF-8."""
    return next(_broken(message), None)


def _broken(message: Any) -> Iterator[bytes]:
    for field, value in _fields(message):
        values = [value] if isinstance(value, str | bytes) or hasattr(value, "ListFields") else value
        if field.name in _UNREAD:
            continue
        if field.type == field.TYPE_STRING:
            yield from (text for text in values if isinstance(text, bytes))
        elif field.type == field.TYPE_MESSAGE:
            for inner in values:
                yield from _broken(inner)


def _fields(message: Any) -> list[tuple[Any, Any]]:
    kind = message.DESCRIPTOR
    if kind.name == "TensorProto":
        return [(kind.fields_by_name[name], getattr(message, name)) for name in _OF_TENSORS]
    found: list[tuple[Any, Any]] = message.ListFields()
    return found
