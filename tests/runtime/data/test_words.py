"""Data of letters and words: what each source yields, and how odd files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.diagnostics import NetError
from netlang.runtime.data import places, sentences, sources
from netlang.runtime.data.dataset import Array, Dataset
from netlang.runtime.data.names import fold
from netlang.runtime.data.text import windows

NET = """net reader(vocabulary = 30) {
  input letters: i64[N, 6]
  output logits = letters -> embedding(vocabulary, 4) -> flatten -> dense(2)
}
train {
  target label: i64[N]
  loss cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
}
"""


def spelt(data: Dataset, row: Array, between: str = "") -> str:
    return between.join(data.vocabulary[number] for number in row).strip()


def languages(at: Path) -> Path:
    (at / "Czech.txt").write_text("\n".join(f"Nov{letter}k\u00e1" for letter in "abcdefghijkl"), encoding="utf-8")
    (at / "German.txt").write_bytes("M\u00fcller\r\nStrau\u00df\r\n\r\nMuller\r\n".encode("latin-1"))
    return at


def test_names_by_language(tmp_path: Path) -> None:
    data = netlang.data(f"names:{languages(tmp_path)}")
    assert data.classes == ("Czech", "German") and data.held_out == "every tenth name of each language"
    assert spelt(data, data.test["letters"][0]) == "novjka" and len(data.test["label"]) == 1
    assert [spelt(data, row) for row in data.train["letters"][-2:]] == ["muller", "strauss"], "and once each"
    assert data.train["letters"].shape == (13, 7) and data.train["length"][-2:].tolist() == [6, 7]
    assert data.train["label"].tolist() == [0] * 11 + [1] * 2


def test_names_are_cut_to_the_length_a_net_takes(tmp_path: Path) -> None:
    data = sources.load(f"names:{languages(tmp_path)}", length=4)
    assert spelt(data, data.train["letters"][-1]) == "stra" and data.train["length"].max() == 4


def test_folding() -> None:
    found = [fold(name) for name in ("\u00c1vila", "O\u2019Neill", "\u0141uk", "d'Arc-Lee ", "\u4e2d\u6587", "1,")]
    assert found == ["avila", "o'neill", "luk", "d'arc-lee", "", ""]


def test_windows_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abcdefghij" * 10, encoding="utf-8")
    data = sources.load(f"text:{tmp_path / 'a.txt'}", length=8)
    assert data.vocabulary == tuple("abcdefghij") and data.train["text"].shape == (11, 8)
    assert spelt(data, data.train["text"][1]) == "ijabcdef" and spelt(data, data.train["next"][1]) == "jabcdefg"
    assert spelt(data, data.test["text"][0]) == "abcdefgh" and len(data.test["next"]) == 1


def test_no_character_of_the_last_tenth_is_trained_on() -> None:
    data = windows("it", "a" * 90 + "b" * 10, 4)
    assert data.train["next"].max() == 0 and data.test["text"].min() == 1


def test_words_are_cut_as_kim_did() -> None:
    found = sentences.tokens("It isn't, is it?  We've caf\u00e9!")
    assert " ".join(found) == "it is n't , is it ? we 've caf !"


def test_the_vocabulary_is_that_of_the_training_part() -> None:
    lines = [f"word{i} seen often" for i in range(9)] + ["never seen never seen"]
    data = sentences.by_class("it", {"a": lines, "b": ["often word1 ."]}, None)
    assert data.vocabulary == ("", "?unknown?", "often", "seen", "word1")
    assert data.test["words"].tolist() == [[1, 3, 1, 3]] and data.test["length"].tolist() == [4]
    assert spelt(data, data.train["words"][0], " ") == "?unknown? seen often"


def test_sentences_of_a_folder(tmp_path: Path) -> None:
    for label in ("calm", "storm"):
        (tmp_path / f"{label}.txt").write_text("\n".join(f"{label} number {i}" for i in range(20)))
    data = netlang.data(f"sentences:{tmp_path}")
    assert data.classes == ("calm", "storm") and len(data.test["label"]) == 4 and data.train["words"].shape == (36, 3)
    (tmp_path / "rt-polarity.pos").write_bytes(b"tr\xe8s bon\nbien\n")
    (tmp_path / "rt-polarity.neg").write_bytes(b"mauvais\nnul\n")
    data = netlang.data(f"sentences:{tmp_path}")
    assert data.name == "rt-polarity" and data.classes == ("neg", "pos") and len(data.train["label"]) == 4


@pytest.mark.parametrize("source", ["names:generated", "sentences:generated", "text"])
def test_sources_that_need_nothing_are_the_same_every_time(source: str) -> None:
    first, second = netlang.data(source), netlang.data(source)
    assert first.train.keys() == second.train.keys() and len(first.test) == len(first.train)
    assert all(np.array_equal(first.train[key], second.train[key]) for key in first.train)
    rows = first.train[next(iter(first.train))]
    assert len(rows) > 1000 and rows.min() >= 0 and rows.max() < len(first.vocabulary)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "a.txt is empty"),
        (b" \n\n", "a.txt is empty"),
        (b"abc\0def", "a.txt is not text: byte 3 is 0"),
        (b"abc", "a.txt has 3 characters: a tenth of it, which is held out, must hold a window of 64"),
        (None, "there is no file"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes | None, text: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(NetError) as fault:
        netlang.data(f"text:{tmp_path / 'a.txt'}")
    assert text in str(fault.value)


def test_folders_that_hold_no_names(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"has no \.txt files, not one per language"):
        netlang.data(f"names:{tmp_path}")
    (tmp_path / "A.txt").write_text("abel")
    with pytest.raises(NetError, match=r"has 1 \.txt file, not"):
        netlang.data(f"names:{tmp_path}")
    (tmp_path / "B.txt").write_text("123\n")
    with pytest.raises(NetError, match=r"B\.txt holds no names of letters"):
        netlang.data(f"names:{tmp_path}")
    (tmp_path / "B.txt").write_text("abel\n" + "x" * 1_000_000)
    with pytest.raises(NetError, match=r"B\.txt:2: a line of 1,000,000 characters; at most 100 are accepted"):
        netlang.data(f"names:{tmp_path}")


def test_folders_that_hold_no_sentences(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"has neither rt-polarity\.neg and rt-polarity\.pos nor one \.txt file"):
        netlang.data(f"sentences:{tmp_path}")
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("* * *")
    with pytest.raises(NetError, match="holds no words"):
        netlang.data(f"sentences:{tmp_path}")
    with pytest.raises(NetError, match="is not a folder"):
        netlang.data(f"sentences:{tmp_path / 'a.txt'}")


def test_missing_data_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "roots", lambda: [tmp_path])
    with pytest.raises(NetError) as fault:
        places.find("surnames by language", ["names"], "names:DIR")
    assert f"not on this machine; looked for {tmp_path / 'names'}" in str(fault.value)
    assert "set NETLANG_DATA, or names:DIR" in str(fault.value)


@pytest.mark.parametrize(("source", "rows"), [("names", 17792), ("polarity", 8636), ("shakespeare", 14116)])
def test_the_real_data(source: str, rows: int) -> None:
    try:
        data = netlang.data(source)
    except NetError as missing:
        pytest.skip(str(missing).splitlines()[0])
    assert len(next(iter(data.train.values()))) == rows
    assert len(data.vocabulary) == {"names": 30, "polarity": 8941, "shakespeare": 65}[source]


def test_a_net_trains_on_them_at_its_own_length(tmp_path: Path) -> None:
    trainer = netlang.compile(NET, target="reference").trainer()
    fitted = trainer.fitted(f"names:{languages(tmp_path)}")
    assert fitted.train.arrays["letters"].shape == (13, 6) and len(fitted.vocabulary) == 30


def test_a_vocabulary_that_is_too_small_is_told_the_right_one(tmp_path: Path) -> None:
    trainer = netlang.compile(NET.replace("= 30", "= 20"), target="reference").trainer()
    with pytest.raises(NetError) as fault:
        trainer.fitted(f"names:{languages(tmp_path)}")
    assert "it must be between 0 and 19" in str(fault.value) and "has a vocabulary of 30" in str(fault.value)
