"""Two small games, seen as pictures, many boards of one at a time. Actions are 0, 1, 2: back, stay, forth.

`screens` gives what is on the boards now and one move before, [boards, 2, height, width] of 0 and 1: two pictures tell
where a ball is going. `move` makes one move on all boards; a board whose game is over begins anew by itself.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ACTIONS = 3


class Catch:
    """A ball falls straight down from a random column; a paddle one pixel wide, in the last row, should be there.

    One ball is one game: the reward is 1 for a catch, -1 otherwise, at its end.
    """

    height, width = 12, 12

    def __init__(self, boards: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.every = np.arange(boards)
        self.row, self.column = np.zeros(boards, int), np.zeros(boards, int)
        self.paddle = np.zeros(boards, int)
        self.before = np.zeros((boards, self.height, self.width), np.uint8)
        self._begin(self.every)

    def _begin(self, which: Array) -> None:
        self.row[which] = 0
        self.column[which] = self.rng.integers(0, self.width, len(which))
        self.paddle[which] = self.width // 2
        self.before[which] = self._drawn()[which]

    def _drawn(self) -> Array:
        screen = np.zeros((len(self.every), self.height, self.width), np.uint8)
        screen[self.every, self.row, self.column] = 1
        screen[self.every, -1, self.paddle] = 1
        return screen

    def screens(self) -> Array:
        return np.stack([self._drawn(), self.before], axis=1)

    def move(self, actions: Array) -> tuple[Array, Array]:
        """(rewards, whether the game is over) of every board."""
        self.before = self._drawn()
        self.paddle = np.clip(self.paddle + actions - 1, 0, self.width - 1)
        self.row += 1
        over = self.row == self.height - 1
        rewards = np.where(over, np.where(self.column == self.paddle, 1, -1), 0)
        self._begin(np.flatnonzero(over))
        return rewards.astype(np.float32), over


class Pong:
    """Two paddles, three pixels tall, at the sides of a field with walls above and below. The player has the left one.

    The ball moves one column a move; the part of a paddle that it meets sends it up, straight on or down. The opponent
    follows the ball, but makes a move only `diligence` of the time. A game is one point: the reward is 1 if the
    opponent misses, -1 if the player does; after `longest` moves it is drawn.
    """

    height, width, half = 12, 14, 1
    diligence, longest = 0.8, 300

    def __init__(self, boards: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.every = np.arange(boards)
        self.row, self.column, self.down, self.right, self.player, self.opponent, self.moves = (
            np.zeros(boards, int) for _ in range(7)
        )
        self.before = np.zeros((boards, self.height, self.width), np.uint8)
        self._begin(self.every)

    def _begin(self, which: Array) -> None:
        count = len(which)
        self.row[which] = self.rng.integers(0, self.height, count)
        self.column[which] = self.width // 2
        self.down[which] = self.rng.integers(-1, 2, count)
        self.right[which] = self.rng.choice((-1, 1), count)
        for paddle in (self.player, self.opponent):
            paddle[which] = self.rng.integers(self.half, self.height - self.half, count)
        self.moves[which] = 0
        self.before[which] = self._drawn()[which]

    def _drawn(self) -> Array:
        screen = np.zeros((len(self.every), self.height, self.width), np.uint8)
        screen[self.every, self.row, self.column] = 1
        for offset in range(-self.half, self.half + 1):
            screen[self.every, self.player + offset, 0] = 1
            screen[self.every, self.opponent + offset, -1] = 1
        return screen

    def screens(self) -> Array:
        return np.stack([self._drawn(), self.before], axis=1)

    def move(self, actions: Array) -> tuple[Array, Array]:
        """(rewards, whether the game is over) of every board."""
        self.before = self._drawn()
        low, high = self.half, self.height - 1 - self.half
        self.player = np.clip(self.player + actions - 1, low, high)
        follows = np.sign(self.row - self.opponent) * (self.rng.random(len(self.every)) < self.diligence)
        self.opponent = np.clip(self.opponent + follows, low, high)
        self.row, self.column = self.row + self.down, self.column + self.right
        outside = (self.row < 0) | (self.row >= self.height)
        self.down = np.where(outside, -self.down, self.down)
        self.row = np.where(outside, self.row + 2 * self.down, self.row)
        missed = [self._met(self.player, 1, -1), self._met(self.opponent, self.width - 2, 1)]
        self.moves += 1
        rewards = missed[1].astype(np.float32) - missed[0]
        over = missed[0] | missed[1] | (self.moves >= self.longest)
        self._begin(np.flatnonzero(over))
        return rewards, over

    def _met(self, paddle: Array, column: int, direction: int) -> Array:
        """Boards on which a ball that goes in a direction and has reached a column misses the paddle behind it; the
        others are sent back."""
        arrived = (self.column == column) & (self.right == direction)
        offset = self.row - paddle
        hit = arrived & (np.abs(offset) <= self.half)
        self.down = np.where(hit, offset, self.down)
        self.right = np.where(hit, -self.right, self.right)
        return arrived & ~hit
