import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

made = runpy.run_path(str(Path(__file__).with_name("fake_session.py")))


@pytest.fixture(scope="session")
def fakes() -> Callable[[Path], Callable[..., Any]]:
    """What makes up session folders in a folder: `fakes(folder)(duration_s=10, ends=False)`."""
    return lambda folder: lambda **settings: made["Fake"](**settings).write(folder / "session")


@pytest.fixture
def fake(tmp_path: Path, fakes: Callable[[Path], Callable[..., Any]]) -> Callable[..., Any]:
    """Make up a session folder: `fake(duration_s=10, ends=False)`."""
    return fakes(tmp_path)
