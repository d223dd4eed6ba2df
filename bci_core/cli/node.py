"""``bci node``: one node of a session, for machines of their own."""

from pathlib import Path
from typing import Annotated

import typer


def node(
    role: Annotated[str, typer.Argument(help="amplifier, loop or stimulator.")],
    rig: Annotated[str, typer.Argument(help="A preset's name, or the path of a rig file.")],
    session_id: Annotated[str, typer.Argument(help="The same for all nodes of a session.")],
    keys: Annotated[Path | None, typer.Option(help="Key file, for the stimulator.")] = None,
) -> None:
    """Run one node; orders on standard input, reports on standard output, as JSON lines.

    Example: `bci node amplifier theta-phase trial-1`
    """
    from bci_core.errors import InputError
    from bci_core.session.node import ROLES, run_node

    if role not in ROLES:
        raise InputError(f"no node is called {role!r}; roles: {', '.join(ROLES)}")
    if role == "stimulator" and keys is None:
        raise InputError(
            "the stimulator node needs --keys: the server's part of the session's keys"
        )
    raise typer.Exit(run_node(role, rig, session_id, str(keys or "")))


COMMANDS = (node,)
