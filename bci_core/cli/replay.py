"""``bci replay`` and ``bci simulate``: the same loop on a virtual clock."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bci_core.cli.keepers import Keepers, keepers_for
from bci_core.cli.options import Json, Source


def replay(
    session: Annotated[Path, typer.Argument(help="A session folder.")], as_json: Json = False
) -> None:
    """Run recorded samples through the same loop; every decision must come out the same.

    Exit status 0 when all agree, 1 otherwise; the first difference is shown.

    Example: `bci replay sessions/2026-11-22_1405_theta-phase`
    """
    from bci_core.session.folder import SessionFolder
    from bci_core.session.replay import replay_session

    result = replay_session(SessionFolder.open(session))
    if as_json:
        print(json.dumps(result.to_dict(), indent=2))  # noqa: T201 - the answer itself
    else:
        console = Console(highlight=False, soft_wrap=True)
        console.print(result.headline(), markup=False)
        if result.difference:
            console.print(result.difference, markup=False)
    raise typer.Exit(0 if result.identical else 1)


def simulate(
    source: Source,
    duration_s: Annotated[float, typer.Option("--duration", help="Simulated seconds.")] = 600.0,
    out: Annotated[Path, typer.Option("--out", help="Where session folders are made.")] = Path(
        "sessions"
    ),
    as_json: Json = False,
    keeper: Keepers = None,
) -> None:
    """Run amplifier, loop and stimulator in one process on a virtual clock.

    Exit status 0 when the session completed, 1 when it was disarmed.

    Example: `bci simulate theta-phase --duration 600`
    """
    from bci_core.cli.progress import progress_on
    from bci_core.cli.run import show_summary
    from bci_core.config.load import load_rig
    from bci_core.session.simulate import simulate_session

    rig = load_rig(source)
    keepers = keepers_for(rig, keeper)
    console = Console(stderr=as_json)
    with progress_on(console, f"bci · {rig.name} · simulated") as progress:
        folder, summary = simulate_session(rig, source, out, progress, duration_s, keepers)
    if as_json:
        print(json.dumps({"folder": str(folder.path), **summary}, indent=2))  # noqa: T201
    else:
        show_summary(console, summary, str(folder.path))
    raise typer.Exit(0 if summary.get("status") == "completed" else 1)


COMMANDS = (replay, simulate)
