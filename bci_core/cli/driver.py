"""``bci driver check``: whether a driver or a protocol keeps its contract, rule by rule.

Detectors are not here: what one finds something in, only its author knows. They have
`bci_core.testing.check_detector`.
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bci_core.cli.options import Json
from bci_core.errors import InputError

if TYPE_CHECKING:
    from bci_core.testing.verdicts import RuleVerdict

app = typer.Typer(help="Prove a driver or a protocol against the published conformance checks.")

KINDS = ("stimulator", "amplifier", "protocol")


@app.callback()
def _driver() -> None:
    pass


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="As registered; `bci list` has the names.")],
    rig: Annotated[
        str, typer.Option("--rig", help="A rig or preset whose settings it is to have.")
    ] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long an amplifier is read, in s.")
    ] = 3.0,
    as_json: Json = False,
) -> None:
    """Check every rule of the contract, and list each with what was found.

    Exit status 0 when all are kept, 1 when one is broken, 2 for a name nobody registers.

    Example: `bci driver check microstim`
    """
    from bci_core import registry

    kind = next((each for each in KINDS if name in registry.names(each)), None)
    if kind is None:
        known = ", ".join(sorted(n for each in KINDS for n in registry.names(each)))
        raise InputError(f"no driver or protocol is called {name!r}; installed: {known}")
    found = _judge(kind, name, _settings(kind, name, rig), seconds)
    broken = sum(not each.kept for each in found)
    if as_json:
        told = {"kind": kind, "name": name, "broken": broken, "rules": [asdict(v) for v in found]}
        print(json.dumps(told, indent=2))  # noqa: T201 - the answer itself
    else:
        _show(kind, name, found, broken)
    raise typer.Exit(1 if broken else 0)


def _settings(kind: str, name: str, rig: str) -> Any:
    from bci_core import registry
    from bci_core.config.load import load_rig

    if not rig:
        model = registry.load(kind, name).Settings
        needed = [key for key, field in model.model_fields.items() if field.is_required()]
        if needed:
            raise InputError(
                f"{kind} {name!r} needs settings ({', '.join(needed)}); name a rig that has them "
                "with --rig"
            )
        return model()
    part = getattr(load_rig(rig), kind)
    if part.name != name:
        raise InputError(f"{rig}: its {kind} is {part.name!r}, not {name!r}")
    return part.settings


def _judge(kind: str, name: str, settings: Any, seconds: float) -> list["RuleVerdict"]:
    from bci_core import registry
    from bci_core.clock import LslClock
    from bci_core.testing.amplifier_rules import Tolerances
    from bci_core.testing.amplifier_trace import run_amplifier
    from bci_core.testing.check_amplifier import RULES as AMPLIFIER_RULES
    from bci_core.testing.check_protocol import RULES as PROTOCOL_RULES
    from bci_core.testing.check_protocol import trial_decisions
    from bci_core.testing.check_stimulator import RULES as STIMULATOR_RULES
    from bci_core.testing.verdicts import verdicts

    part = registry.load(kind, name)
    if kind == "stimulator":
        return verdicts(STIMULATOR_RULES, lambda: part(settings), None)
    if kind == "protocol":
        return verdicts(PROTOCOL_RULES, lambda: part(settings), trial_decisions())
    trace = run_amplifier(lambda clock: part(settings, clock), seconds, LslClock(), 0.25)
    return verdicts(AMPLIFIER_RULES, trace, Tolerances())


def _show(kind: str, name: str, found: list["RuleVerdict"], broken: int) -> None:
    table = Table(box=None, show_header=False)
    for each in found:
        mark = "[green]kept[/]" if each.kept else "[red]BROKEN[/]"
        table.add_row(mark, each.rule, each.sentence)
        if not each.kept:
            table.add_row("", "", f"[red]{each.problem}[/]")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{kind} {name}: {len(found) - broken} of {len(found)} rules kept", markup=False)
