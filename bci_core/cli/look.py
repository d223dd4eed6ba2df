"""``bci list``, ``bci check`` and ``bci doctor``: looking without starting anything."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bci_core.cli.options import Json, Source


def list_(
    as_json: Json = False,
    keys: Annotated[
        bool, typer.Option("--keys", help="Every key of a rig file, as Markdown.")
    ] = False,
) -> None:
    """List presets and every installed amplifier, detector, protocol and stimulator.

    Example: `bci list`
    """
    from bci_core import registry
    from bci_core.config.load import presets

    if keys:
        from bci_core.config.reference import rig_reference

        print(rig_reference(), end="")  # noqa: T201 - the answer itself
        return
    found: dict[str, dict[str, str]] = {"preset": dict.fromkeys(presets(), "bci")}
    for kind in ("amplifier", "detector", "protocol", "stimulator"):
        found[kind] = {name: registry.origin(kind, name) for name in registry.names(kind)}
    if as_json:
        print(json.dumps(found, indent=2))  # noqa: T201 - the answer itself
        return
    table = Table(box=None)
    for heading in ("kind", "name", "from"):
        table.add_column(heading)
    for kind, entries in found.items():
        for name, origin in entries.items():
            table.add_row(kind, name, origin)
    Console().print(table)


def check(source: Source, as_json: Json = False) -> None:
    """Check a rig: every mistake at once, and the worst case of each safety limit.

    Example: `bci check theta-phase`
    """
    from bci_core.clock import LslClock
    from bci_core.config.load import load_rig
    from bci_core.safety.check import worst_case
    from bci_core.safety.envelope import SafetyEnvelope
    from bci_core.session import build, privacy

    rig = load_rig(source)
    privacy.confine(rig.lsl)
    info = build.check(rig, source, LslClock())
    envelope = SafetyEnvelope.from_settings(rig.safety)
    able = build.stimulator(rig).capabilities
    uses = worst_case(build.protocol(rig).programs(), envelope, able)
    if as_json:
        told = {
            "rig": rig.name,
            "rate_hz": info.rate_hz,
            "channels": list(info.channels),
            "limits": [asdict(use) for use in uses],
        }
        print(json.dumps(told, indent=2))  # noqa: T201 - the answer itself
        return
    console = Console(highlight=False)
    console.print(f"{source}: no mistakes", markup=False)
    console.print(
        f"amplifier {rig.amplifier.name}: {len(info.channels)} channels at {info.rate_hz:g} Hz; "
        f"detector {rig.detector.name}; stimulator {rig.stimulator.name}",
        markup=False,
    )
    table = Table(title="Worst case of each safety limit", title_justify="left", box=None)
    table.add_column("limit")
    table.add_column("worst case", justify="right")
    table.add_column("bound", justify="right")
    table.add_column("unit")
    table.add_column("where")
    for use in uses:
        table.add_row(use.limit, f"{use.value:.4g}", f"{use.bound:.4g}", use.unit, use.where)
    console.print(table)


def doctor(as_json: Json = False) -> None:
    """Check this machine: liblsl, clocks, scheduling, caches, privacy; and what to do about each.

    Exit status 0 when nothing stands in the way of a session, 1 otherwise.

    Example: `bci doctor`
    """
    from bci_core.session.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([asdict(f) for f in findings], indent=2))  # noqa: T201 - the answer itself
    else:
        table = Table(box=None, show_header=False)
        for finding in findings:
            mark = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}[
                finding.ok
            ]
            table.add_row(mark, finding.what, finding.found)
            if finding.advice:
                table.add_row("", "", f"[dim]{finding.advice}[/]")
        Console(highlight=False).print(table)
    raise typer.Exit(1 if any(f.ok == "bad" for f in findings) else 0)


COMMANDS = (list_, check, doctor)
