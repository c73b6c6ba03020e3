"""docs/cuda.md: what the kernels of the example family take of a GPU, as ptxas reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netlang.runtime.files import replacing

if TYPE_CHECKING:
    from tests.backends.cuda.family import Found, Made, Text

PAGE = Path(__file__).parents[3] / "docs" / "cuda.md"
_HEAD = """# The example family, compiled for GPUs

`python -m tests.backends.cuda.family --write` made this page: every kernel of every net and of its trainings, compiled
for four architectures without a GPU, for one sample and for many. The figures are those of ptxas. Kernels of several
nets that are the same are counted with each. None has run on a GPU for this page: it says nothing of speed.

In precisions other than float32, which need tensor cores, three nets are compiled: LeNet-5, GoogLeNet and ResNet-50.

"""


def page(listed: Sequence[Found], outcome: Mapping[tuple[Text, str], Made], lines: Sequence[str]) -> str:
    """The page; `lines` sum it up."""
    parts = [_HEAD, "```\n", *(f"{line}\n" for line in lines), "```\n\n## By net, in float32\n\n"]
    parts.append("| net | kernels | of its training | registers at most | KB of shared memory at most |\n")
    parts.append("|---|--:|--:|--:|--:|\n")
    own = [one for one in listed if one.precision == "float32"]
    for case in dict.fromkeys(one.case for one in own):
        parts.append(_row(case, [one for one in own if one.case == case], outcome))
    return "".join(parts)


def _row(case: str, own: Sequence[Found], outcome: Mapping[tuple[Text, str], Made]) -> str:
    """Counts are of one architecture, the others' are within a few of it; the rest is the most on any."""
    first = own[0].arch
    inference = {one.text for one in own if one.arch == first and one.graph == "inference"}
    training = {one.text for one in own if one.arch == first and one.graph != "inference"}
    registers = max(outcome[one.text, one.arch].resources.registers for one in own)
    shared = max(one.text.shared + outcome[one.text, one.arch].resources.shared for one in own)
    name = case.replace("/../", "/").replace(":", ", ")
    return f"| {name} | {len(inference)} | {len(training) or '–'} | {registers} | {shared / 1024:.0f} |\n"


def write(text: str) -> None:
    """The page, whole or not at all."""
    with replacing(PAGE) as new:
        new.write_text(text, encoding="utf-8")
