"""``bci reset`` and ``bci tighten``: orders to a session that runs in another terminal."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bci_core.cli.people import PassphraseFile, passphrase

Running = Annotated[Path, typer.Argument(help="Folder of the running session.")]


def reset(
    session: Running,
    key: Annotated[Path | None, typer.Option("--key", help="Your private key.")] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Your name, where a simulated session needs no key.")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Clear what has latched a running session, as a second person; it is armed again.

    Not by who runs it nor by another operator, and not within a minute of what the guard found.
    A stimulator that is not simulated takes a key (`bci keys new`); so does a rig that asks for
    approvals.

    Example: `bci reset sessions/2026-11-22_1405_theta-phase --by ada`
    """
    from bci_core.clock import LslClock
    from bci_core.errors import InputError, SessionError
    from bci_core.people.signing import PrivateKey
    from bci_core.record.ledger import read_ledger
    from bci_core.session.desk import reset_statement
    from bci_core.session.folder import SessionFolder
    from bci_core.session.orders import give_order

    if (key is None) is (by is None):
        raise InputError("give either --key or --by: who resets?")
    folder = SessionFolder.open(session)
    clock = LslClock()
    order: dict[str, object] = {"do": "reset", "by": by}
    if key is not None:
        rows = [r for r in read_ledger(folder.ledger) if r.event in ("latched", "reset")]
        since = next((i for i in range(len(rows), 0, -1) if rows[i - 1].event == "reset"), 0)
        if not rows[since:]:
            raise SessionError(f"{folder.path}: nothing is latched")
        private = PrivateKey.load(key, passphrase(passphrase_file))
        statement = reset_statement(folder, rows[since].data)
        order["signed"] = private.sign(statement, clock).to_dict()
    give_order(folder, order, clock)
    _say(f"{folder.path}: reset; it is armed again")


def tighten(
    session: Running,
    limits: Annotated[list[str], typer.Argument(help="LIMIT=VALUE, as keys of [safety].")],
    by: Annotated[str, typer.Option("--by", help="Your name, for the ledger.")] = "operator",
) -> None:
    """Make limits of a running session tighter; never looser, which needs a new session.

    Programs that pass a limit from then on are refused, one by one, with limit and value.

    Example: `bci tighten sessions/2026-11-22_1405_theta-phase lockout_s=0.5 trains_per_hour=100`
    """
    from bci_core.clock import LslClock
    from bci_core.errors import InputError
    from bci_core.session.folder import SessionFolder
    from bci_core.session.orders import give_order

    asked: dict[str, float] = {}
    for limit in limits:
        name, _, value = limit.partition("=")
        try:
            asked[name] = float(value)
        except ValueError:
            raise InputError(f"{limit!r}: write LIMIT=VALUE, as lockout_s=0.5") from None
    folder = SessionFolder.open(session)
    give_order(folder, {"do": "tighten", "limits": asked, "by": by}, LslClock())
    _say(f"{folder.path}: " + ", ".join(f"{name} is {value:g}" for name, value in asked.items()))


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


COMMANDS = (reset, tighten)
