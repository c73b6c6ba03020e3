"""Tables and numbers: drawn with lines on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

Row = Sequence[str]

_ANY = 10_000
"""Characters that no table is wide."""


def table(title: str, columns: Row, rows: Sequence[Row], totals: Row | None = None, text_columns: int = 1) -> None:
    """Print a table; the first `text_columns` columns are flush left, the others right."""
    if sys.stdout.isatty():
        _drawn(title, columns, rows, totals, text_columns)
    else:
        _plain(title, columns, [*rows, *([totals] if totals else [])], text_columns)


def _drawn(title: str, columns: Row, rows: Sequence[Row], totals: Row | None, text_columns: int) -> None:
    drawn = Table(title=title, title_justify="left", show_footer=totals is not None)
    for place, column in enumerate(columns):
        justify = "left" if place < text_columns else "right"
        footer, whole = totals[place] if totals else "", place >= text_columns
        drawn.add_column(column, justify=justify, footer=footer, no_wrap=whole)  # type: ignore[arg-type]
    for row in rows:
        drawn.add_row(*row)
    console = Console(markup=False)
    if console.measure(drawn, options=console.options.update(max_width=_ANY)).minimum > console.width:
        # A number that is cut is worse than a line that goes on in the next one.
        _plain(title, columns, [*rows, *([totals] if totals else [])], text_columns)
    else:
        console.print(drawn)


def _plain(title: str, columns: Row, rows: Sequence[Row], text_columns: int) -> None:
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    if title:
        print(title)
    for line in lines:
        cells = [
            c.ljust(w) if i < text_columns else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def count(number: int) -> str:
    """`61,706`."""
    return f"{number:,}"


def bytes_text(number: int) -> str:
    """`246.8 kB`: powers of ten, as `--fits` reads them."""
    size, units = float(number), ["B", "kB", "MB", "GB", "TB", "PB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.1f} {units[0]}" if units[0] != "B" else f"{number} B"


def number(value: float) -> str:
    """Four significant digits, all digits of large numbers."""
    return f"{value:,.0f}" if value >= 1e4 else f"{value:.4g}"


def bar(share: float, width: int) -> str:
    """A horizontal bar of `share` (0 to 1) of `width` characters, in eighths of one: `▉▌`; `#` where those cannot be
    written."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    drawn = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    try:
        drawn.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * round(eighths / 8)
    return drawn
