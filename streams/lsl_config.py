"""How far discovery of LSL streams reaches, as liblsl's own configuration."""

from collections.abc import Sequence

import pylsl

PORT_RANGE = 256
"""Of the ports that known peers are asked on. Each stream takes one, and a session has up to
five; each question takes one, too, for as long as its answers are waited for. liblsl's own range
of 32 is soon used up, and a stream that got a port outside it is not found."""

ON_ONE_MACHINE = (
    "[tuning]\nMulticastMinRTT = 0.05\nMulticastMaxRTT = 0.2\n"
    "UnicastMinRTT = 0.2\nUnicastMaxRTT = 0.5\n"
)
"""Between programs of one machine an answer takes no half second to come back, which is how long
liblsl waits, by default, before it asks known peers; nor is it waited for 3 to 5 s."""


def confinement(scope: str, listen_address: str, known_peers: Sequence[str]) -> str:
    """liblsl configuration text that keeps discovery where the rig says.

    Handed to processes through the environment variable LSLAPICFG.
    """
    peers = ", ".join(known_peers)
    quick = ON_ONE_MACHINE if scope == "machine" else ""
    return (
        f"[ports]\nIPv6 = disable\nPortRange = {PORT_RANGE}\n"
        f"[multicast]\nResolveScope = {scope}\nListenAddress = {listen_address}\n"
        f"[lab]\nKnownPeers = {{{peers}}}\n"
        f"{quick}[log]\nlevel = -2\n"
    )


def confine_this_process(configuration: str) -> None:
    """The same for this process; it has to come before any other use of liblsl."""
    pylsl.util.set_config_content(configuration)
