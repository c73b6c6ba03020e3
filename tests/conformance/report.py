"""Outcomes as text: passes of each operator, and why the others fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from tests.conformance.known import REASONS
from tests.conformance.running import Outcome


def table(outcomes: Sequence[Outcome], passes: bool = False) -> str:
    """Passes of each operator on each backend, then a line for every failure."""
    targets = list(dict.fromkeys(o.target for o in outcomes))
    rows = _counts(outcomes)
    width = max([*map(len, rows), 8])
    lines = [f"{'':{width}}" + "".join(f"{t:>22}" for t in targets)]
    lines += [
        f"{family:{width}}" + "".join(f"{_share(found[t]):>22}" for t in targets) for family, found in rows.items()
    ]
    lines += [f"{'all':{width}}" + "".join(f"{_share(_of(outcomes, t)):>22}" for t in targets), ""]
    lines += [f"{o.target:9} {o.name}: {_why(o) or 'passed'}" for o in outcomes if passes or not o.passed]
    given = sorted({o.name for o in outcomes if o.given})
    lines.append(
        f"{len(given)} cases have inputs that an operator must know to know a shape; these were given beforehand"
    )
    return "\n".join(lines)


def page(outcomes: Sequence[Outcome], source: str) -> str:
    """docs/conformance.md"""
    targets = list(dict.fromkeys(o.target for o in outcomes))
    groups = list(dict.fromkeys(o.group for o in outcomes))
    lines = [
        "# ONNX conformance",
        "",
        "Cases of ONNX's own test suite: every model is imported as a `.net` file, compiled, run, and compared with",
        "the answers that the suite has (rtol 1e-3, atol 1e-4; whole numbers exactly). Written by",
        "`python -m tests.conformance CASES.tar.gz --write`.",
        "",
        f"{date.today():%Y-%m-%d}.",
        "",
        "| cases | " + " | ".join(targets) + " |",
        "|---|" + "---|" * len(targets),
    ]
    for group in groups:
        cells = [_share([o for o in _of(outcomes, t) if o.group == group]) for t in targets]
        lines.append(f"| `{group}` | " + " | ".join(cells) + " |")
    lines += ["", "## By operator", "", "| operator | " + " | ".join(targets) + " |", "|---|" + "---|" * len(targets)]
    for family, found in _counts(outcomes).items():
        lines.append(f"| {family} | " + " | ".join(_share(found[t]) for t in targets) + " |")
    return "\n".join([*lines, "", *_failures(outcomes), "", *_given(outcomes)]) + "\n"


def _failures(outcomes: Sequence[Outcome]) -> list[str]:
    failed = [o for o in outcomes if not o.passed]
    if not failed:
        return ["## What fails", "", "Nothing."]
    lines = ["## What fails", "", "| case | backend | why |", "|---|---|---|"]
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for o in failed:
        reasons[o.name, _why(o)].append(o.target)
    return lines + [f"| `{name}` | {', '.join(where)} | {_escaped(why)} |" for (name, why), where in reasons.items()]


def _given(outcomes: Sequence[Outcome]) -> list[str]:
    names = sorted({o.name for o in outcomes if o.given})
    text = "In these cases a shape is an input: a compiled net has to know it, so its value is given at the import"
    return ["## Shapes that are inputs", "", f"{text} (`netc import --value`).", "", ", ".join(f"`{n}`" for n in names)]


def _counts(outcomes: Sequence[Outcome]) -> dict[str, dict[str, list[Outcome]]]:
    found: dict[str, dict[str, list[Outcome]]] = {}
    for o in sorted(outcomes, key=lambda o: (":" in o.family, o.family)):
        found.setdefault(o.family, defaultdict(list))[o.target].append(o)
    return found


def _of(outcomes: Sequence[Outcome], target: str) -> list[Outcome]:
    return [o for o in outcomes if o.target == target]


def _why(outcome: Outcome) -> str:
    """What failed, with the cause where the case itself is one; empty where it passed."""
    known = REASONS.get(outcome.name, "") if outcome.reason else ""
    return f"{outcome.reason}: {known}" if known else outcome.reason


def _share(outcomes: Sequence[Outcome]) -> str:
    passed = sum(o.passed for o in outcomes)
    percent = f" ({100 * passed / len(outcomes):.1f} %)" if len(outcomes) > 9 else ""
    return f"{passed} / {len(outcomes)}{percent}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
