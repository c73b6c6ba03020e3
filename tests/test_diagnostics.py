"""Hints and the printed form of diagnostics."""

from __future__ import annotations

import pytest

from netlang.diagnostics import Diagnostic, closest, did_you_mean

WORDS = ("conv", "same", "scan", "sum", "floor", "momentum", "dropout", "dense")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("convv", "conv"),
        ("sane", "same"),
        ("sam", "same"),
        ("dorpout", "dropout"),
        ("mom", "momentum"),
        ("CONV", "conv"),
        ("foo", ""),
        ("x", ""),
        ("", ""),
    ],
)
def test_only_what_is_really_close_is_suggested(written: str, meant: str) -> None:
    assert closest(written, WORDS) == meant
    assert did_you_mean(written, WORDS) == (f"did you mean '{meant}'?" if meant else "")


def test_what_would_move_the_cursor_is_not_printed() -> None:
    fault = Diagnostic("tensor 'a\x1b[31m\rb'", notes=("\u202ex",), hint="\x07")
    assert str(fault) == "netc: error: tensor 'a?[31m?b'\n  note: ?x\n  hint: ?"
