"""Captioning: scenes are what their sentences say, and what a net tells is what its training net believes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import netlang

FOLDER = Path(__file__).parents[2] / "examples" / "captions"
sys.path.append(str(FOLDER))
import scenes  # noqa: E402

SMALL = {"units": 8, "width": 2}
FILES = ("show_and_tell.net", "show_attend_tell.net")


def test_scenes_and_sentences() -> None:
    seen, unseen = scenes.data(60, 40, seed=3)
    again, _ = scenes.data(60, 40, seed=3)
    assert np.array_equal(seen.train["image"], again.train["image"])
    assert (seen.train["words"][:, 0] == 0).all() and (seen.train["next"][:, -1] == 0).all()
    assert np.array_equal(seen.train["words"][:, 1:], seen.train["next"][:, :-1])
    learned = {scenes.sentence_of(words) for words in seen.train["next"]}
    told = {scenes.sentence_of(words) for words in unseen.test["next"]}
    assert not learned & told and all(" on " in t or " above " in t or " left of " in t for t in told)


def test_the_colours_of_a_sentence_are_in_its_scene() -> None:
    seen, _ = scenes.data(40, 1, seed=4)
    for image, words in zip(seen.train["image"], seen.train["next"], strict=True):
        for colour, shade in scenes.COLOURS.items():
            distance = np.abs(image / 255 - np.array(shade)[:, None, None]).max(axis=0)
            assert ((distance < 0.25).sum() >= 4) == (colour in scenes.sentence_of(words).split())


def scores(model: netlang.Model, image: np.ndarray, words: np.ndarray) -> np.ndarray:
    found: np.ndarray = model(image=image, words=words)
    return found


@pytest.mark.parametrize("file", FILES)
def test_it_tells_what_it_believes_likeliest(file: str) -> None:
    model = netlang.compile(FOLDER / file, arguments=SMALL).init(5)
    image = np.random.default_rng(0).random((3, 3, 32, 32), np.float32)
    found = model.nets["tell"](image=image)
    said = found["said"] if isinstance(found, dict) else found
    heard = np.pad(said[:, :-1], ((0, 0), (1, 0)))
    assert np.array_equal(scores(model, image, heard).argmax(axis=2), said)


def test_attention_is_a_share_of_the_places() -> None:
    tell = netlang.compile(FOLDER / "show_attend_tell.net", net="tell", arguments=SMALL).init(5)
    looked = tell(image=np.random.default_rng(0).random((2, 3, 32, 32), np.float32))["looked"]
    assert looked.shape == (2, 11, 64) and (looked >= 0).all()
    np.testing.assert_allclose(looked.sum(axis=2), 1, rtol=1e-5)
