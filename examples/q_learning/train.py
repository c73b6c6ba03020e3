"""Learns to play a small game from what is on the screen, and plays it against a player who moves at random.

python examples/q_learning/train.py [--game catch | pong] [--quick]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from games import ACTIONS, Catch, Pong
from numpy.typing import NDArray
from replay import Replay

import netlang
from netlang.pictures import painted, save, sheet

Array = NDArray[Any]
Game = Catch | Pong

HERE = Path(__file__).parent
GAMES: dict[str, tuple[type[Game], int]] = {"catch": (Catch, 4000), "pong": (Pong, 15000)}
"""Each with the moves that are learned from: so many on each of BOARDS boards."""
BOARDS = 16
CAPACITY = 50_000
EXPLORING = 0.05
"""The share of actions at random, once training is well under way; all of them at its beginning."""
COPIED_EVERY = 200
"""Steps after which the weights that hold still are renewed."""
JUDGED_BOARDS, JUDGED_MOVES = 200, 1000
DARK, LIGHT = (30, 30, 60), (250, 200, 60)


def chosen(model: netlang.Model, game: Game, rng: np.random.Generator, random: float) -> Array:
    """An action for every board: the one worth most, or with some probability any."""
    best = model(game.screens().astype(np.float32)).argmax(axis=1)
    boards = len(best)
    return np.where(rng.random(boards) < random, rng.integers(0, ACTIONS, boards), best)


def learned(model: netlang.Model, game: Game, moves: int, seed: int) -> None:
    """Play and learn, one step for every move of all boards."""
    rng = np.random.default_rng(seed)
    step, held = model.trainer(seed=seed), model.nets["target"]
    memory = Replay(CAPACITY, game.screens().shape[1:])
    size, errors = step.spec.batch, []
    for number in range(moves):
        if number % COPIED_EVERY == 0:
            for name, value in model.parameters.items():
                held.parameters[name.replace("online.", "held.", 1)] = value
        screen = game.screens()
        action = chosen(model, game, rng, max(EXPLORING, 1 - 2 * number / moves))
        reward, over = game.move(action)
        memory.add(screen, action, reward, game.screens(), over)
        if memory.seen > 10 * size:
            step(**memory.drawn(rng, size))
            errors.append(step.values["error"])
        if errors and (number + 1) % (moves // 10) == 0:
            print(f"move {number + 1}: error {np.mean(errors[-500:]):.4f}", flush=True)


def points(model: netlang.Model | None, kind: type[Game], seed: int) -> tuple[int, int]:
    """(won, lost) in many games by the net, or without one by a player who moves at random."""
    rng = np.random.default_rng(1000 + seed)
    game, won, lost = kind(JUDGED_BOARDS, rng), 0, 0
    for _ in range(JUDGED_MOVES):
        actions = chosen(model, game, rng, 0.0) if model else rng.integers(0, ACTIONS, JUDGED_BOARDS)
        reward, _ = game.move(actions)
        won, lost = won + int((reward > 0).sum()), lost + int((reward < 0).sum())
    return won, lost


def filmed(model: netlang.Model, kind: type[Game], seed: int, moves: int = 24) -> Any:
    """Successive screens of one game; the number below is what the net expects of its best action."""
    rng = np.random.default_rng(2000 + seed)
    game, screens, worth = kind(1, rng), [], []
    for _ in range(moves):
        screens.append(painted(game.screens()[0, 0], (DARK, LIGHT)))
        worth.append(f"{model(game.screens().astype(np.float32)).max():.2f}")
        game.move(chosen(model, game, rng, 0.0))
    rows = range(0, moves, 8)
    return sheet([screens[i : i + 8] for i in rows], scale=5, captions=[worth[i : i + 8] for i in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--game", default="catch", choices=GAMES)
    parser.add_argument("--data", help="nothing: games are played, not read", default="")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the moves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, metavar="OUT.json")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    kind, moves = GAMES[args.game]
    game = kind(BOARDS, np.random.default_rng(args.seed))
    arguments = {"height": kind.height, "width": kind.width}
    model = netlang.compile(HERE / "player.net", arguments=arguments).init(args.seed)
    learned(model, game, moves // 20 if args.quick else moves, args.seed)
    found: dict[str, float] = {}
    for who, player in (("", model), ("random_", None)):
        won, lost = points(player, kind, args.seed)
        found |= {f"{who}won_share": won / (won + lost), f"{who}won_per_lost": won / max(lost, 1)}
    found["times_random_share"] = found["won_share"] / found["random_won_share"]
    found["times_random_ratio"] = found["won_per_lost"] / found["random_won_per_lost"]
    print("  ".join(f"{name} {value:.4f}" for name, value in found.items()))
    name = f"{args.game}.png"
    if args.pictures:
        save(filmed(model, kind, args.seed), args.pictures / name, colours=16)
    if args.figures:
        args.figures.write_text(json.dumps({"figures": found, "pictures": [name] if args.pictures else []}))


if __name__ == "__main__":
    main()
