"""Who could read the wire, and a namespace where nobody can."""

import pytest

from bci_core.config.rig import LslSettings
from bci_core.errors import InputError
from bci_core.session import privacy


def test_what_holds_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(privacy.PRIVATE, raising=False)
    told = privacy.describe(LslSettings())
    assert told["discovery"] == "this machine only"
    assert "every interface" in told["data ports"]
    opened = LslSettings(resolve_scope="site", listen_address="10.0.0.1")
    assert privacy.describe(opened)["discovery"] == "scope site"
    monkeypatch.setenv(privacy.PRIVATE, "1")
    assert "closed to everything outside" in privacy.describe(LslSettings())["data ports"]


def test_a_kernel_that_does_not_allow_it_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise OSError(1, "unshare")

    monkeypatch.setattr(privacy, "_enter_namespace", refused)
    assert "does not allow a network namespace" in privacy.can_be_private()
    with pytest.raises(InputError, match="firewall"):
        privacy.run_private(["--version"])


@pytest.mark.processes
def test_the_exit_status_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    if why_not := privacy.can_be_private():
        pytest.skip(why_not)
    assert privacy.run_private(["--version"]) == 0
    assert capfd.readouterr().out.startswith("bci ")
    assert privacy.run_private(["run", "no-such-rig"]) == 2
