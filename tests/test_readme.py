"""The README keeps its word: its net loads, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netlang.cli import parser
from netlang.diagnostics import NetError
from netlang.frontend import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def test_the_net_of_the_first_screen_loads() -> None:
    module = load(BLOCKS[0])
    assert module.net.name == "lenet5"
    assert module.train is not None


def test_the_error_that_is_shown_is_the_one_that_is_given() -> None:
    shown = next(b for b in BLOCKS if "error:" in b)
    line = re.search(r"9 \| (.*)", shown)
    assert line is not None
    text = f"""# LeNet-5
block stage(x, channels) {{
  return x -> conv(channels, 5) -> relu -> maxpool(2)
}}

net lenet5(classes = 10) {{
  input image: f32[N, 1, 32, 32]

{line[1]}
  output y = logits
}}
"""
    with pytest.raises(NetError) as caught:
        load(text, name="lenet5.net")
    assert str(caught.value) + "\n" == shown


def test_every_command_is_there() -> None:
    verbs = set(re.findall(r"^\| `netc (\w+)", README, re.MULTILINE))
    assert verbs == {
        "check",
        "summary",
        "ir",
        "grad",
        "compile",
        "inspect",
        "profile",
        "bench",
        "train",
        "eval",
        "run",
        "weights",
        "export",
        "import",
        "env",
    }
    known = parser().format_help()
    for verb in verbs:
        assert re.search(rf"^ +{verb}\b", known, re.MULTILINE), verb


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
