"""Keys: each side gets its own part, and nobody else gets any."""

import json
import stat
from pathlib import Path

import pytest
import zmq

from bci_core.errors import LinkError
from streams.keys import SessionKeys, fingerprint


def test_each_file_holds_one_side_and_is_private(tmp_path: Path) -> None:
    keys = SessionKeys.generate()
    keys.save(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for name, part, foreign in (
        ("server", keys.server_part(), keys.client_secret),
        ("client", keys.client_part(), keys.server_secret),
    ):
        path = tmp_path / "keys" / f"{name}.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(foreign) not in path.read_text()
        assert SessionKeys.load(path) == part


def test_keys_are_never_overwritten_nor_made_twice(tmp_path: Path) -> None:
    keys = SessionKeys.generate()
    keys.save(tmp_path)
    with pytest.raises(LinkError, match="exists"):
        keys.save(tmp_path)
    assert SessionKeys.generate() != keys


def test_secrets_do_not_show(tmp_path: Path) -> None:
    keys = SessionKeys.generate()
    for secret in (keys.server_secret, keys.client_secret):
        assert str(secret) not in repr(keys)
        assert str(secret) not in str(keys)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_is_wrong_with_a_key_file_is_said_without_showing_it(tmp_path: Path) -> None:
    keys = SessionKeys.generate().client_part()
    right = json.loads(keys.model_dump_json(exclude_none=True))
    path = tmp_path / "client.json"
    with pytest.raises(LinkError, match="cannot be read"):
        SessionKeys.load(path)
    for text, complaint in (
        ("{", "not JSON"),
        (json.dumps(right | {"server_public": "short"}), "server_public"),
        (json.dumps(right | {"extra": 1}), "extra"),
        (json.dumps(right | {"client_secret": zmq.curve_keypair()[1].decode()}), "does not belong"),
        (json.dumps(right | {"client_secret": "short"}), "no CURVE key"),
        (json.dumps(right | {"client_secret": " " * 40}), "no CURVE key|does not belong"),
    ):
        with pytest.raises(LinkError, match=complaint) as caught:
            SessionKeys.load(written(path, text))
        assert str(keys.client_secret) not in str(caught.value)
    with pytest.raises(LinkError, match="mode 0644: others can read"):
        SessionKeys.load(written(path, json.dumps(right), mode=0o644))
    assert SessionKeys.load(written(path, json.dumps(right))) == keys


def test_a_fingerprint_is_the_same_for_raw_and_z85() -> None:
    public, _ = zmq.curve_keypair()
    from zmq.utils import z85

    assert fingerprint(public) == fingerprint(public.decode()) == fingerprint(z85.decode(public))
    assert fingerprint(public) != fingerprint(zmq.curve_keypair()[0])
    assert len(fingerprint(public)) == len("sha256:") + 16
