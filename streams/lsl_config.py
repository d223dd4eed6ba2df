"""How far discovery of LSL streams reaches, as liblsl's own configuration."""

from collections.abc import Sequence

import pylsl


def confinement(scope: str, listen_address: str, known_peers: Sequence[str]) -> str:
    """liblsl configuration text that keeps discovery where the rig says.

    Handed to processes through the environment variable LSLAPICFG.
    """
    peers = ", ".join(known_peers)
    return (
        "[ports]\nIPv6 = disable\n"
        f"[multicast]\nResolveScope = {scope}\nListenAddress = {listen_address}\n"
        f"[lab]\nKnownPeers = {{{peers}}}\n"
        "[log]\nlevel = -2\n"
    )


def confine_this_process(configuration: str) -> None:
    """The same for this process; it has to come before any other use of liblsl."""
    pylsl.util.set_config_content(configuration)
