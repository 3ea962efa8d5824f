"""The API key of a run: found, checked and wrapped, without this room knowing what a signature is.

The check of the key itself comes in as `check_key`: it returns why a PEM text cannot be used, or None.
Source: design, section 2; Kalshi hands out RSA keys as PKCS#1 and Ed25519 keys as PKCS#8.
Never: a key or part of one in a problem; a demo key used on production, or the other way round.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from traderv3.config.environment import Account, Environment
from traderv3.config.problems import Findings
from traderv3.config.secret import Secret
from traderv3.config.sources import COMMON_FILE, Sources, read_env_file
from traderv3.config.values import expand

CheckKey = Callable[[str], str | None]

ID: Final = "KALSHI_API_KEY_ID"
CONTENT: Final = "KALSHI_PRIVATE_KEY_CONTENT"
PATH: Final = "KALSHI_PRIVATE_KEY_PATH"
_KEY_BYTES_MAX: Final = 100_000  # a 16384-bit RSA key has 13 kB
_ID_LENGTH_MAX: Final = 200
_OTHERS_MAY_READ: Final = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key id and its private key as PEM text (escaped newlines repaired)."""

    key_id: str
    private_key: Secret


def find_credentials(
    environment: Environment, sources: Sources, directory: Path, check_key: CheckKey, findings: Findings
) -> Credentials | None:
    """The usable key of this run, or None. Where one is needed and missing, that is a problem; in `sim` it is not."""
    key_id = sources.get(ID)
    pem, variable = _find_pem(sources, directory, findings)
    is_asked = key_id is not None or variable is not None
    if not is_asked and environment.policy.account is Account.EMBEDDED:
        return None
    hint = _hint(environment)
    if key_id is None:
        findings.problem(ID, "is missing", f"Put your key's id into {environment.env_file}{hint}")
    elif len(key_id) > _ID_LENGTH_MAX or not key_id.isascii() or not key_id.isprintable() or " " in key_id:
        findings.problem(ID, "is not a key id", "Copy it from Kalshi's page of API keys; it looks like a UUID")
    if variable is None:
        findings.problem(
            f"{CONTENT} or {PATH}",
            "is missing",
            f"Put the PEM text or its file's path into {environment.env_file}{hint}",
        )
    if pem is not None and variable is not None:
        reason = check_key(pem)
        if reason is not None:
            how = "Copy the whole PEM; in an env file put it in double quotes, or on one line with \\n"
            findings.problem(variable, reason, how)
        elif key_id is not None:
            return Credentials(key_id, Secret(pem))
    return None


def _hint(environment: Environment) -> str:
    """No credentials at hand is how most people meet the program: show them the way that needs none."""
    if environment.policy.account is Account.EMBEDDED:
        return ""
    return "; to try the trader without any key: scripts/run-v3.sh sim"


def _find_pem(sources: Sources, directory: Path, findings: Findings) -> tuple[str | None, str | None]:
    """The PEM text and the variable that names it; the text is None where it cannot be read (and that was reported)."""
    content, content_rank = sources.find(CONTENT)
    path, path_rank = sources.find(PATH)
    if content is not None and path is not None and content_rank == path_rank:
        findings.problem(CONTENT, f"{PATH} is set in the same place", "Keep one of the two")
        return None, CONTENT
    if content is not None and (path is None or content_rank < path_rank):
        return content.replace("\\r", "").replace("\\n", "\n"), CONTENT
    if path is not None:
        return _read_key_file(expand(directory, path), findings), PATH
    return None, None


def _read_key_file(path: Path, findings: Findings) -> str | None:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            findings.problem(PATH, f"{path} is not a file", "Name the PEM file itself")
            return None
        with path.open("rb") as file:
            data = file.read(_KEY_BYTES_MAX + 1)
    except (OSError, ValueError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "not a path"
        findings.problem(PATH, f"{path} cannot be read ({reason})", "Check the path, and that you may read the file")
        return None
    if len(data) > _KEY_BYTES_MAX:
        findings.problem(PATH, f"{path} is too large for a key", "Name the PEM file itself")
        return None
    if mode & _OTHERS_MAY_READ:
        findings.warning(PATH, f"{path} can be read by other users", f"chmod 600 {path}")
    return data.decode("utf-8", "replace")


def check_separation(environment: Environment, key_id: str | None, directory: Path, findings: Findings) -> None:
    """Report a key id that stands in a demo and in a production file of the folder, or is about to be used on both."""
    if environment.policy.account is Account.EMBEDDED:
        return
    ids: dict[Account, dict[str, str]] = {Account.DEMO: {}, Account.LIVE: {}}
    for other in Environment:
        account = other.policy.account
        if account is Account.EMBEDDED:
            continue
        silent = Findings()  # what is wrong with another environment's file is not this run's trouble
        found = read_env_file(directory / other.env_file, silent).get(ID, "").strip()
        if found:
            ids[account].setdefault(found, other.env_file)
    if key_id is not None:
        ids[environment.policy.account].setdefault(key_id, f"this run ({environment}, {COMMON_FILE} or its process)")
    for shared in sorted(ids[Account.DEMO].keys() & ids[Account.LIVE].keys()):
        demo, live = ids[Account.DEMO][shared], ids[Account.LIVE][shared]
        findings.problem(
            ID,
            f"the same key id stands for demo in {demo} and for production in {live}",
            "Demo and production keys are different; correct one of them",
        )
