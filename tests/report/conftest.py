import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

fakes = runpy.run_path(str(Path(__file__).with_name("fake_session.py")))


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Any]:
    """Make up a session folder: `fake(duration_s=10, ends=False)`."""

    def write(**settings: Any) -> Any:
        return fakes["Fake"](**settings).write(tmp_path / "session")

    return write
