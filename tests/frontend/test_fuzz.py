"""A bounded run of the mutation test; `python -m tests.frontend.fuzz 10000` runs a long one."""

from __future__ import annotations

from tests.frontend.fuzz import mutants, survives

COUNT = 400


def test_mutated_examples_are_accepted_or_refused_with_a_message() -> None:
    accepted = sum(survives(text) for text in mutants(COUNT))
    assert 0 < accepted < COUNT  # the mutations are neither harmless nor all fatal


def test_the_same_seed_gives_the_same_mutants() -> None:
    assert list(mutants(5, seed=3)) == list(mutants(5, seed=3)) != list(mutants(5, seed=4))
