"""Deep Q-learning: the rules of the games, the memory, the temporal-difference error, and weights that hold still."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from tests.examples.scripts import beside

games, replay = beside("q_learning", "games"), beside("q_learning", "replay")
PLAYER = EXAMPLES / "q_learning" / "player.net"


def test_every_ball_can_be_caught() -> None:
    game = games.Catch(50, np.random.default_rng(0))
    won = lost = 0
    for _ in range(110):
        reward, over = game.move(1 + np.sign(game.column - game.paddle))
        assert ((reward != 0) == over).all()
        won, lost = won + (reward > 0).sum(), lost + (reward < 0).sum()
    assert won == 500 and lost == 0


def test_who_stays_away_loses() -> None:
    game = games.Catch(50, np.random.default_rng(0))
    rewards = [game.move(np.where(game.column < 6, 2, 0))[0] for _ in range(11)]
    assert (np.array(rewards[:10]) == 0).all() and (rewards[10] == -1).all()


def test_a_screen_shows_ball_and_paddle_now_and_before() -> None:
    game = games.Catch(1, np.random.default_rng(0))
    before = game.screens()[0, 0]
    game.move(np.array([0]))
    now, then = game.screens()[0]
    np.testing.assert_array_equal(then, before)
    assert now.sum() == 2 and now[1, game.column[0]] == 1 and now[-1, game.paddle[0]] == 1


def test_pong_is_won_by_following_the_ball_and_lost_by_standing_still() -> None:
    share = []
    for policy in (lambda g: 1 + np.sign(g.row - g.player), lambda g: np.ones(100, int)):
        game, won, lost = games.Pong(100, np.random.default_rng(0)), 0, 0
        for _ in range(300):
            assert game.screens()[:, 0].sum(axis=(1, 2)).max() <= 7
            reward, _ = game.move(policy(game))
            won, lost = won + int((reward > 0).sum()), lost + int((reward < 0).sum())
        share.append(won / (won + lost))
    assert share[0] > 0.85 and share[1] < 0.4


def test_the_memory_forgets_the_oldest() -> None:
    memory = replay.Replay(5, (1, 2, 2))
    for step in range(4):
        screen = np.full((2, 1, 2, 2), step, np.uint8)
        memory.add(screen, np.full(2, step), np.full(2, step), screen + 1, np.zeros(2))
    drawn = memory.drawn(np.random.default_rng(0), 200)
    assert set(drawn["action"]) == {1, 2, 3} and drawn["screen"].dtype == np.float32
    np.testing.assert_array_equal(drawn["after"][:, 0, 0, 0], drawn["action"] + 1)


def test_the_loss_is_the_temporal_difference_and_only_the_player_learns() -> None:
    model = netlang.compile(PLAYER, arguments={"maps": 2}, threads=1).init(seed=1)
    step, held = model.trainer(seed=1), model.nets["target"]
    rng = np.random.default_rng(0)
    screen, after = (rng.integers(0, 2, (6, 2, 12, 12)).astype(np.float32) for _ in range(2))
    action, reward = rng.integers(0, 3, 6), np.array([5, 0.1, 0, -3, 0, 1], np.float32)
    over = np.array([1, 0, 0, 1, 0, 0], np.float32)
    wanted = reward + 0.97 * (1 - over) * held(after).max(axis=1)
    error = np.abs(model(screen)[np.arange(6), action] - wanted)
    huber = np.where(error < 1, 0.5 * error**2, error - 0.5).mean()
    before = {n: a.copy() for n, a in held.parameters.items()}
    learning = {n: a.copy() for n, a in model.parameters.items()}
    loss = step(screen=screen, action=action, reward=reward, after=after, over=over)
    assert loss == pytest.approx(huber, rel=1e-4)
    assert all((held.parameters[n] == a).all() for n, a in before.items())
    assert any((model.parameters[n] != a).any() for n, a in learning.items())
