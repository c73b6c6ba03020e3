"""What all tests share: the path of their helpers, `--update-golden`, and a summary of what was skipped."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

# Tests import each other's helpers as `tests.nets`. The root goes to the end of the path, so that `netlang` is the
# installed one: a checkout's `netlang/` lacks `backends` and `grammar`, which are mapped into it when installed.
sys.path.append(str(Path(__file__).parent.parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what passes give now into tests/golden")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Is the golden text to be written anew instead of compared?"""
    return bool(request.config.getoption("--update-golden"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what this machine could not test, also where the `-ra` of pyproject.toml is overridden."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        where_why = report.longrepr
        reasons[where_why[2] if isinstance(where_why, tuple) else str(where_why)] += 1
    if reasons:
        terminalreporter.section("not tested on this machine")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:4} tests: {reason.removeprefix('Skipped: ')}")
