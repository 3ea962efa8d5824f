"""The commands: what they print, what they hand over, and their exit codes."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from traderv3 import __version__
from traderv3.cli import main

REPOSITORY = Path(__file__).resolve().parent.parent
VARIABLES = ("ENVIRONMENT", "KALSHI_", "V3_")


@pytest.fixture(autouse=True)
def _a_clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(VARIABLES):
            monkeypatch.delenv(name)


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


RSA = rsa.generate_private_key(65537, 2048)
USABLE = {
    "PKCS#1": pem(RSA, PrivateFormat.TraditionalOpenSSL),
    "PKCS#8": pem(RSA, PrivateFormat.PKCS8),
    "Ed25519": pem(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
    "escaped": pem(RSA, PrivateFormat.PKCS8).replace("\n", "\\n"),
}


@pytest.mark.parametrize("form", USABLE)
def test_check_accepts_every_form_of_key(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KALSHI_API_KEY_ID", "key-1")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY_CONTENT", USABLE[form])

    assert main(["check", "paper", "--offline"]) == 0
    out, err = capsys.readouterr()
    assert "external-api.demo.kalshi.co" in out
    assert "sound" in out
    assert "PRIVATE KEY" not in out + err


def test_check_refuses_a_short_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    short = pem(rsa.generate_private_key(65537, 1024), PrivateFormat.PKCS8)
    monkeypatch.setenv("KALSHI_API_KEY_ID", "key-1")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY_CONTENT", short)

    assert main(["check", "paper", "--offline"]) == 2
    assert "1024 bits" in capsys.readouterr().err


def test_run_without_anything_points_to_sim_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run"]) == 2
    err = capsys.readouterr().err
    assert "KALSHI_API_KEY_ID: is missing" in err
    assert "scripts/run-v3.sh sim" in err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_environment_is_named_with_the_four_and_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "prodution", "--port", "abc"]) == 2
    err = capsys.readouterr().err
    assert "sim, paper, local, production; did you mean production?" in err
    assert "V3_PORT" in err


def test_the_command_line_overrides(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V3_PORT", "9000")
    monkeypatch.setenv("V3_MARKETS", "KXA")

    assert main(["check", "sim", "--offline"]) == 0
    out = capsys.readouterr().out
    assert "127.0.0.1:9000" in out
    assert "KXA" in out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "sim", "--fast"], ["logs", "--tail", "x"]])
def test_arguments_that_do_not_exist_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: traderv3" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"traderv3 {__version__}\n"


@pytest.mark.process
def test_checking_a_configuration_loads_no_room_that_it_does_not_need(tmp_path: Path) -> None:
    code = "import sys; from traderv3.cli import main; main(['check', 'sim', '--offline']); print(sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)

    assert not any(f"'{name}'" in output.stdout for name in ("trio", "quart", "cryptography", "structlog", "socket"))


def test_a_key_file_open_to_others_is_said_and_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.pem"
    key.write_text(USABLE["PKCS#1"])
    key.chmod(stat.S_IRUSR | stat.S_IROTH)
    (tmp_path / ".env.paper").write_text("KALSHI_API_KEY_ID=key-1\nKALSHI_PRIVATE_KEY_PATH=key.pem\n")

    assert main(["check", "paper", "--offline"]) == 0
    assert "chmod 600" in capsys.readouterr().err
