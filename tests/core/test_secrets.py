"""A secret is named in the project file and shown nowhere."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest
from hypothesis import assume, given, settings, strategies as st
from pydantic import ConfigDict, ValidationError

from luthier.core import secrets
from luthier.core.errors import ConfigError
from luthier.core.secrets import Secret, SecretUrl, names_in, redact, reveal, reveal_url
from luthier.core.spec import Spec, digest_of, everything
from luthier.core.yaml import read_spec

PASSWORD = "s3cr/t@p:ss?w&rd%\\'\""


class Login(Spec):
    """Settings."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretUrl = "sqlite:///a.db"
    """Where."""
    token: Secret | None = None
    """With what."""


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_revealed", set())
    monkeypatch.setenv("LOGIN_PASSWORD", PASSWORD)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///shop.db",
        "sqlite://",
        "postgresql://reader@db.example:5432/shop",
        "postgresql://reader:${LOGIN_PASSWORD}@db.example/shop",
        "postgresql://${USER_1}:${LOGIN_PASSWORD}@${HOST}/shop?sslmode=require",
        "${DATABASE_URL}",
        "postgresql:///shop?host=/tmp&password=${LOGIN_PASSWORD}",
        "mssql+pyodbc://?odbc_connect=UID%3Dreader%3BPWD%3D${LOGIN_PASSWORD}",
        "http://[::1]:9000",
    ],
)
def test_urls_without_a_written_password_are_taken(url: str) -> None:
    assert Login(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:hunter2@db.example/shop",
        "postgresql://reader:${LOGIN_PASSWORD}hunter2@db.example/shop",
        "postgresql://reader:hunter2?@db.example/shop",
        "postgresql://:hunter2@db.example/shop",
        "postgresql:///shop?user=reader&password=hunter2",
        "postgresql:///shop?sslpassword=hunter2",
        "mssql+pyodbc://?odbc_connect=UID%3Dreader%3BPWD%3Dhunter2",
        "https://a.example/?access_token=hunter2",
    ],
)
def test_a_written_password_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        Login(url=url)
    assert "write ${NAME}" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    (tmp_path / "a.yaml").write_text(f"url: '{url}'\n")
    with pytest.raises(ConfigError, match=r"a.yaml:1: url: .*write \$\{NAME\}") as told:
        read_spec(Login, tmp_path / "a.yaml")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "value", ["hunter2", "a${TOKEN}", "${TOKEN}b", "${hunter2!}", "$TOKEN", ""]
)
def test_a_secret_is_a_name_and_nothing_else(value: str) -> None:
    with pytest.raises(ValidationError, match="write") as refused:
        Login(token=value)
    assert "hunter2" not in str(refused.value)
    assert Login(token="${TOKEN}").token == "${TOKEN}"


@pytest.mark.parametrize("value", ["18273645", "[18273645]", "{a: 18273645}", "18273.645"])
def test_secrets_of_a_wrong_type_are_not_repeated(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"token: {value}\n")
    with pytest.raises(ConfigError, match="write") as told:
        read_spec(Login, tmp_path / "a.yaml")
    assert "18273" not in str(told.value)


@pytest.mark.parametrize("url", ["postgresql://a:${B-C}@d/e", "postgresql://a:${@d/e", "${}", ""])
def test_broken_references_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Login(url=url)


def test_settings_and_digests_hold_the_name_only() -> None:
    login = Login(url="postgresql://a:${LOGIN_PASSWORD}@b/c", token="${LOGIN_PASSWORD}")
    before = digest_of(login)
    assert reveal(login.token or "") == PASSWORD
    reveal_url(login.url)
    for told in (repr(login), login.model_dump_json(), str(everything(login)), str(login)):
        assert PASSWORD not in told
        assert "LOGIN_PASSWORD" in told
    assert digest_of(login) == before != digest_of(Login(token="${OTHER}"))


def test_names_are_told_in_order() -> None:
    assert names_in("x://${B}:${A}@${B}") == ("B", "A")


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOGIN_PASSWORD")
    if value is not None:
        monkeypatch.setenv("LOGIN_PASSWORD", value)
    with pytest.raises(ConfigError, match=r"LOGIN_PASSWORD is (not set|empty)"):
        reveal("${LOGIN_PASSWORD}")


def test_passwords_are_encoded_where_a_url_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = urllib.parse.quote(PASSWORD, safe="")
    monkeypatch.setenv("HOST", "[::1]:5432")
    made = reveal_url("postgresql://a:${LOGIN_PASSWORD}@${HOST}/b?password=${LOGIN_PASSWORD}")
    assert made == f"postgresql://a:{encoded}@[::1]:5432/b?password={encoded}"
    monkeypatch.setenv("WHOLE", "postgresql://a:p%40w@h/b")
    assert reveal_url("${WHOLE}") == "postgresql://a:p%40w@h/b"
    assert "p%40w" not in redact("failed: p%40w")
    assert "p@w" not in redact("failed: p@w")


def test_messages_lose_what_was_revealed() -> None:
    assert PASSWORD in redact(f"no {PASSWORD}")  # nothing is known of it yet
    reveal("${LOGIN_PASSWORD}")
    quoted = urllib.parse.quote(PASSWORD, safe="")
    said = redact(ValueError(f"{PASSWORD} {PASSWORD!r} {quoted}"))
    assert "s3cr" not in said
    assert said.count(secrets.MASK) == 3


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("at postgresql+psycopg://a:hunter2@host/db", "at postgresql+psycopg://a:***@host/db"),
        ("at x://a:hun@ter2@host", "at x://a:***@host"),
        ("dsn host=h password=hunter2 user=a", "dsn host=h password=*** user=a"),
        ("PWD='hunter 2';UID=a", "PWD=***;UID=a"),
        ("nothing secret: x://host:80/a", "nothing secret: x://host:80/a"),
    ],
)
def test_passwords_nobody_revealed_are_masked_too(text: str, kept: str) -> None:
    assert redact(text) == kept


@settings(deadline=None)
@given(value=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_no_revealed_value_survives(value: str) -> None:
    assume(value not in "***" and value.strip())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_revealed", set())
        patch.setenv("ANY_SECRET", value)
        encoded = reveal_url("x://u:${ANY_SECRET}@h").removeprefix("x://u:").removesuffix("@h")
        assert urllib.parse.unquote(encoded) == value
        said = redact(f"before {value} between {value!r} after")
    assert value not in said.replace(secrets.MASK, "")


def test_revealed_values_alone_can_be_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_TEST_ONLY", "swordfish 9")
    secrets.reveal("${LUTHIER_TEST_ONLY}")
    said = "password=abc and swordfish 9 and swordfish%209"
    assert secrets.without_revealed(said) == "password=abc and *** and ***"
