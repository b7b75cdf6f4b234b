"""Secrets: named in the project file, read from the environment when used, never written down.

A setting names an environment variable as ``${NAME}``: alone (``secret_key: ${S3_SECRET}``) or
inside a URL (``postgresql://reader:${SHOP_PASSWORD}@db.example/shop``). Specs, and with them
digests, manifests and ledgers, hold only the name. ``reveal`` reads the value at the moment of
use; what it has read, ``redact`` takes out of the messages of libraries.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from luthier.core.errors import ConfigError

MASK = "***"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_WORDS = r"(?:passwords?|passwd|pwd|secret|token|api_?key|sslpassword)"
_LITERAL_IN_QUERY = re.compile(rf"(?i)\b\w*{_SECRET_WORDS}\s*=\s*(?!\$\{{)[^\s;&]")
_SAID_PASSWORD = re.compile(rf"(?i)(\b\w*{_SECRET_WORDS}\s*=\s*)('[^']*'|\"[^\"]*\"|[^\s;&]+)")
_URL_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@]*):[^\s]*@")

_revealed: set[str] = set()


def _secret(value: Any) -> str:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ValueError(
            "a secret does not stand in the project file: write ${NAME}, the name of the "
            "environment variable that holds it"
        )
    return value


def _secret_url(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a URL, or ${NAME}: the environment variable that holds it")
    _check_references(value)
    head, _, query = value.partition("?")
    if "@" in query and "@" not in head:  # a password with a question mark in it
        head, query = value, ""
    login = head.partition("://")[2].rpartition("@")[0]
    password = login.partition(":")[2]
    written = password and _REFERENCE.sub("", password)
    if written or _LITERAL_IN_QUERY.search(urllib.parse.unquote_plus(query)):
        raise ValueError(
            "a password does not stand in the project file: write ${NAME} in its place, the name "
            "of the environment variable that holds it"
        )
    return value


def _check_references(text: str) -> None:
    if "${" in _REFERENCE.sub("", text):
        raise ValueError("an environment variable is written ${NAME}: letters, digits and _")


Secret = Annotated[
    str,
    BeforeValidator(_secret),
    WithJsonSchema({"type": "string", "pattern": rf"^{_REFERENCE.pattern}$"}),
]
"""A setting that is the name of an environment variable, ``${NAME}``; a value is refused."""

SecretUrl = Annotated[str, BeforeValidator(_secret_url), WithJsonSchema({"type": "string"})]
"""A URL that may hold ``${NAME}`` anywhere; one with a written password is refused."""


def names_in(text: str) -> tuple[str, ...]:
    """The environment variables a setting names, each once, in order."""
    return tuple(dict.fromkeys(_REFERENCE.findall(text)))


def reveal(text: str) -> str:
    """A setting with the values of its environment variables: for immediate use only.

    Args:
        text: A ``Secret``, or any text with ``${NAME}`` in it.

    Raises:
        ConfigError: A variable is not set, or is empty.
    """
    return _REFERENCE.sub(lambda found: _value(found[1]), text)


def reveal_url(text: str) -> str:
    """A ``SecretUrl`` with the values of its environment variables: for immediate use only.

    In the user name, the password and the query, values are percent-encoded, so that a password
    may hold ``@`` or ``/``. A URL that is one variable as a whole is taken as it is.

    Raises:
        ConfigError: A variable is not set, or is empty.
    """
    if _REFERENCE.fullmatch(text.strip()):
        return reveal(text.strip())
    login_start = text.find("://") + 3 if "://" in text else 0
    login_end = text.rfind("@", 0, text.find("?")) if "?" in text else text.rfind("@")
    query_start = text.find("?") if "?" in text else len(text)

    def value_at(found: re.Match[str]) -> str:
        value = _value(found[1])
        encoded = login_start <= found.start() < login_end or found.start() > query_start
        return urllib.parse.quote(value, safe="") if encoded else value

    return _REFERENCE.sub(value_at, text)


def redact(text: object) -> str:
    """A message without secrets.

    Masked are all values ``reveal`` has read so far (also percent-encoded, or as Python and JSON
    write them), passwords in URLs, and what follows ``password=`` and the like.

    Args:
        text: The message of a library, or the exception itself.
    """
    said = without_revealed(str(text))
    said = _URL_PASSWORD.sub(rf"\1:{MASK}@", said)
    return _SAID_PASSWORD.sub(lambda found: found[1] + MASK, said)


def without_revealed(text: str) -> str:
    """A text without the values ``reveal`` has read so far; all else stays as it is."""
    for value in sorted(_revealed, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text


def _value(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError(
            f"the environment variable {name} is {'empty' if name in os.environ else 'not set'}",
            where="${" + name + "}",
            mend=f"Set it before you start Luthier: export {name}=...",
        )
    _remember(value)
    inner = re.search(r"://[^:/]*:(.*)@", value)
    if inner and inner[1]:
        _remember(inner[1])
        _remember(urllib.parse.unquote(inner[1]))
    return value


def _remember(value: str) -> None:
    _revealed.update(
        (
            value,
            urllib.parse.quote(value, safe=""),
            urllib.parse.quote(value),
            urllib.parse.quote_plus(value),
            repr(value)[1:-1],
            value.replace("\\", "\\\\").replace('"', '\\"'),
        )
    )
