"""Argument tables as enumerations that count from 0."""

from __future__ import annotations

from enum import IntEnum


class Table(IntEnum):
    """Entries are numbered in order; the last one, `COUNT`, is where further entries may follow."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count
