"""What tests of imports share."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang import config


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of networks that others trained; skips where it is missing."""
    folder = Path(config.get("NETLANG_DATA") or "../shared/data") / "models"
    if not folder.is_dir():
        pytest.skip(f"there are no trained networks: {folder} is missing")
    return folder
