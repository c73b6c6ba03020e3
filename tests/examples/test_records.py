"""Reading the records of the example family, and what is said of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.family.figures import Demand, Shown, value_text
from benchmarks.family.gallery_page import page
from benchmarks.family.records import RecordError, Training, read

RECORD = """
title = "A family"
order = 10
source = "somebody, 1998"
[[net]]
file = "a.net"
parameters = 20
outputs = { y = [1, 4] }
[[training]]
name = "a"
net = "a.net"
data = "digits"
asked = { accuracy = ">= 98.8 %" }
"""
NET = """
net a() {
  input x: f32[N, 4]
  output y = x -> dense(4)
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.net").write_text(NET)
    (tmp_path / "family.toml").write_text(RECORD)
    return tmp_path


def refused(folder: Path, record: str) -> str:
    (folder / "family.toml").write_text(record)
    with pytest.raises(RecordError) as fault:
        read(folder / "family.toml")
    return str(fault.value)


def test_a_record_is_read_with_its_defaults(folder: Path) -> None:
    family = read(folder / "family.toml")
    assert (family.title, family.nets[0].sizes, family.nets[0].small) == ("A family", {"N": 1}, {"N": 2})
    assert family.trainings[0].asked == {"accuracy": ">= 98.8 %"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order", "odrer", "Family has no 'odrer'"),
        ("parameters = 20", "", "a Net needs 'parameters'"),
        ('file = "a.net"', 'file = "b.net"', "there is no file b.net"),
        ('data = "digits"', "", "training 'a' needs data"),
        ('net = "a.net"', "", "needs either a net or a script"),
        ("order = 10", "order = ", "family.toml"),
    ],
)
def test_a_record_with_a_mistake_is_refused(folder: Path, old: str, new: str, message: str) -> None:
    assert message in refused(folder, RECORD.replace(old, new))


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [(">= 98.8 %", 0.988, True), (">= 98.8 %", 0.9879, False), ("<= 2.3", 2.3, True), ("<= 2.3", 2.31, False)],
)
def test_a_demand_is_met_or_not(text: str, value: float, met: bool) -> None:
    assert Demand.of(text).met(value) is met


def test_a_demand_must_say_how_much() -> None:
    with pytest.raises(RecordError, match="is not a demand"):
        Demand.of("about 98")


def test_shares_are_printed_in_percent() -> None:
    training = Training("a", asked={"reached": ">= 90 %"})
    assert value_text("reached", 0.9123, training) == "91.23 %"
    assert value_text("accuracy", 0.5, training) == "50.00 %"
    assert value_text("loss", 0.5, training) == "0.5"


def test_the_gallery_says_what_was_missed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.family.gallery_page.EXAMPLES", folder.parent)
    family = read(folder / "family.toml")
    assert "not measured yet" in page((family,), {})
    shown = Shown(family.name, "a", {"accuracy": 0.97}, 3.0, 1, "2026-01-01", pictures=["a_picture.png"])
    text = page((family,), {(family.name, "a"): shown})
    assert "97.00 % (asked >= 98.8 %, **not reached**)" in text
    assert f"![a picture](gallery/{family.name}/a_picture.png)" in text
    assert "| 20 | 20 | y [1, 4] |" in text
