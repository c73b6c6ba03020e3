"""What netc draws: tables and the bar, on terminals of any width."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from netlang.cli import output, progress
from netlang.cli.progress import Bar, Lines, fitting
from netlang.runtime.data.dataset import Columns, Fitted

RECORD = {
    "epoch": 2,
    "loss": 0.5,
    "accuracy": 0.75,
    "learning_rate": 0.1,
    "seconds": 1.25,
    "samples_per_second": 2000.4,
}
DATA = Fitted("digits", Columns({}, {}), Columns({}, {}))


@pytest.mark.parametrize(("columns", "drawn"), [("40", False), ("80", True)])
def test_no_number_of_a_table_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, drawn: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    output.table("t", ("layer", "a", "b"), [("conv[red]1", "1,234,567,890,123", "9,876,543,210")], ("total", "1", "2"))
    text = capsys.readouterr().out
    assert "1,234,567,890,123" in text and "9,876,543,210" in text and "conv[red]1" in text
    assert ("\u2502" in text) == drawn


def test_prose_in_a_table_is_folded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    output.table("", ("name", "meaning", "n"), [("a", "words " * 20, "1,234,567")], text_columns=2)
    text = capsys.readouterr().out
    assert "\u2502" in text and "1,234,567" in text and text.count("words") == 20


def test_a_line_keeps_what_fits() -> None:
    parts = ["epoch 1/2", "loss 0.5", "accuracy 0.75"]
    assert fitting(parts, None) == "epoch 1/2  loss 0.5  accuracy 0.75"
    assert fitting(parts, 34) == fitting(parts, None)
    assert fitting(parts, 33) == "epoch 1/2  loss 0.5" and fitting(parts, 0) == "epoch 1/2"


def test_lines_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(DATA, 2, 10, resumed=True)
    lines.epoch(RECORD)
    lines.end(RECORD)
    assert capsys.readouterr().out.splitlines() == [
        "resuming on digits: 0 samples, 2 epochs",
        "epoch 2/2  loss 0.5  accuracy 0.75  1.2 s  2,000 samples/s",
    ]


def test_a_run_that_is_over_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(DATA, 2, 10, resumed=True)
    lines.end(RECORD)
    assert "nothing was left to do: epoch 2 of 2 is done" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [30, 40, 80, 200])
def test_the_bar_stays_in_one_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = Bar()
    bar.begin(DATA, 20, 1000, resumed=False)
    means: dict[str, Any] = {"loss": 0.123456, "accuracy": 0.98765, "error": 0.1}
    for batch in range(5):
        bar.step(3, batch, means, 32 * batch)
    shown = bar.drawn.console.render_lines(bar.drawn.get_renderable())
    bar.close()
    assert len(shown) == 1
    text = "".join(piece.text for piece in shown[0])
    assert len(text) <= columns and "left" in text and "\u2026" not in text
    assert ("samples/s" in text) == (columns >= 80)
    assert progress.results(means) == "loss 0.1235  accuracy 0.9877  error 0.1"
