"""DeepID: regions of shared weights, both scales in the vector, people out of people, and how pairs are judged."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from tests.examples.scripts import beside

people, verification = beside("deepid", "people"), beside("deepid", "verification")
DEEPID = EXAMPLES / "deepid" / "deepid.net"
SMALL = {"people": 3, "maps": 2, "size": 8}
FACES = np.random.default_rng(0).random((4, 1, 39, 31), np.float32)


def test_regions_with_equal_weights_are_a_convolution() -> None:
    text = DEEPID.read_text()
    plain = text.replace("regional_conv(3 * maps, 3, region = 2)", "conv(3 * maps, 3)")
    assert plain != text
    regions, whole = (netlang.compile(t, target="reference", arguments=SMALL).init(seed=1) for t in (text, plain))
    for name, value in regions.parameters.items():
        if name.startswith("regional_conv1."):
            regions.parameters[name] = whole.parameters[f"conv3.{name.rsplit('.', 1)[1]}"]
        else:
            whole.parameters[name] = value
    np.testing.assert_allclose(regions(FACES)["vector"], whole(FACES)["vector"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", ["pool3", "conv4"])
def test_the_vector_sees_both_scales(scale: str) -> None:
    model = netlang.compile(DEEPID, target="reference", arguments=SMALL).init(seed=1)
    before = model(FACES)["vector"]
    weight = model.parameters["dense1.weight"].copy()
    places = slice(0, 6 * 6) if scale == "pool3" else slice(6 * 6, None)
    assert weight.shape == (8, 6 * 6 + 8 * 2)
    weight[:, places] = 0
    model.parameters["dense1.weight"] = weight
    assert np.abs(model(FACES)["vector"] - before).max() > 1e-3


def test_people_are_multiplied_all_shots_alike() -> None:
    label = np.array([0, 1, 0, 1])
    image, person = people.multiplied(np.random.default_rng(0), FACES, label, bends=2, amount=1.0)
    assert image.shape == (24, 1, 39, 31) and person.tolist() == np.repeat(np.arange(12), 2).tolist()
    np.testing.assert_array_equal(image[person == 0], FACES[label == 0])
    np.testing.assert_array_equal(image[person == 3], FACES[label == 0][..., ::-1])
    same = np.repeat(FACES[:1], 2, axis=0)
    bent = people.bent(np.random.default_rng(1), same, 1.0)
    np.testing.assert_array_equal(bent[0], bent[1])
    assert np.abs(bent - same).max() > 0.1


def test_verification_of_vectors_that_say_who_it_is() -> None:
    person = np.repeat(np.arange(8), 5)
    rng = np.random.default_rng(0)
    known = person < 5
    clear = np.eye(8)[person] + 0.01 * rng.normal(size=(40, 8))
    assert verification.verified(clear, person, known) == {"accuracy": 1.0, "area": 1.0}
    noise = verification.verified(rng.normal(size=(40, 8)), person, known)
    assert 0.35 < noise["accuracy"] < 0.65 and 0.35 < noise["area"] < 0.65


def test_balanced_accuracy_and_area_count_pairs() -> None:
    similarity, same = np.array([0.9, 0.2, 0.8, 0.1, 0.0]), np.array([True, True, False, False, False])
    assert verification.balanced(similarity, same, 0.5) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert verification.area(similarity, same) == pytest.approx(5 / 6)
