"""Fails when code that must be covered completely is not: safety, errors, the loop, the device.

Usage: python tests/coverage_gate.py COVERAGE_JSON
"""

import json
import sys
from pathlib import Path

COMPLETE = (
    "bci_core/safety/",
    "bci_core/errors.py",
    "bci_core/holds.py",
    "bci_core/control/loop.py",
    "bci_core/control/policy.py",
    "bci_core/stimulator/",
    "drivers/stimulators/",
)


def main(path: str) -> int:
    """Print what is missing; 1 when something is."""
    files = json.loads(Path(path).read_text())["files"]
    watched = {name: told for name, told in files.items() if name.startswith(COMPLETE)}
    if not watched:
        print(f"{path}: none of {', '.join(COMPLETE)} was measured")  # noqa: T201
        return 1
    wanting = 0
    for name, told in sorted(watched.items()):
        lines, branches = told["missing_lines"], told.get("missing_branches", [])
        if lines or branches:
            wanting += 1
            print(f"{name}: not covered: lines {lines}, branches {branches}")  # noqa: T201
    verdict = f"{wanting} wanting" if wanting else "all complete, branches included"
    print(f"coverage gate: {len(watched)} files that must be complete, {verdict}")  # noqa: T201
    return 1 if wanting else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
