"""Objects of a bucket on a moto server, read by the readers of local files."""

from __future__ import annotations

import gzip
import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from luthier.core.errors import ConfigError, DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.spec import digest_of
from luthier.data.sources.raw import Raw
from luthier.data.sources.s3 import S3Source, digest_s3, fetch_s3, read_s3, read_s3_texts

moto_server = pytest.importorskip("moto.server", reason="NOT TESTED: pip install 'moto[s3,server]'")

CSV = "question,answer\nWhere?,Here.\n"
SECRET = "very-secret/key+1"
BUCKET = "shop"
Put = Callable[[dict[str, bytes | str]], None]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those a test names."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SHOP_KEY", "AKIATEST")
    monkeypatch.setenv("SHOP_SECRET", SECRET)


def client(endpoint: str, service: str = "s3") -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="root",
        aws_secret_access_key="root",
    )


@pytest.fixture
def put(endpoint: str) -> Put:
    """Fills the bucket anew."""
    reset(endpoint)

    def _put(objects: dict[str, bytes | str]) -> None:
        sender = client(endpoint)
        for key, body in objects.items():
            data = body.encode() if isinstance(body, str) else body
            sender.put_object(Bucket=BUCKET, Key=key, Body=data)

    return _put


def reset(endpoint: str) -> None:
    url = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    client(endpoint).create_bucket(Bucket=BUCKET)


def source(endpoint: str, **given: Any) -> S3Source:
    if "key" not in given:
        given.setdefault("prefix", "")
    return S3Source.model_validate_json(
        json.dumps(
            {
                "bucket": BUCKET,
                "endpoint_url": endpoint,
                "access_key_id": "${SHOP_KEY}",
                "secret_access_key": "${SHOP_SECRET}",
                "format": {"kind": "csv"},
                **given,
            }
        )
    )


def read(endpoint: str, cache: Path, ledger: Ledger | None = None, **given: Any) -> list[Raw]:
    return list(read_s3(source(endpoint, **given), ledger or Ledger(), Quiet(), cache))


def failure(endpoint: str, cache: Path, **given: Any) -> str:
    """What a bucket that cannot be read says, for reading as for the digest."""
    with pytest.raises(DataError) as error:
        read(endpoint, cache, **given)
    with pytest.raises(DataError) as again:
        digest_s3(source(endpoint, **given))
    assert str(error.value) == str(again.value)
    assert len(str(error.value).splitlines()) == 2
    assert SECRET not in str(error.value)
    return str(error.value)


def test_an_object_is_read_like_a_local_file(endpoint: str, put: Put, tmp_path: Path) -> None:
    put({"faq/2026 a.csv": CSV, "faq/b.csv.gz": gzip.compress(CSV.encode())})
    rows = read(endpoint, tmp_path, prefix="faq/")
    values = {"question": "Where?", "answer": "Here."}
    assert rows == [
        Raw(values, "s3://shop/faq/2026 a.csv:2"),
        Raw(values, "s3://shop/faq/b.csv.gz:2"),
    ]
    assert read(endpoint, tmp_path, key="faq/b.csv.gz") == rows[1:]
    assert read(endpoint, tmp_path, prefix="", match="*/2026*") == rows[:1]


def test_settings_of_the_files_reach_their_reader(endpoint: str, put: Put, tmp_path: Path) -> None:
    put({"a.csv": "frage;antwort\nWo?;Hier.\n", "b.jsonl": '{"text": "A text."}\n7\n'})
    form = {"kind": "csv", "delimiter": ";", "question": "frage", "answer": "antwort"}
    assert read(endpoint, tmp_path, key="a.csv", format=form)[0].values["frage"] == "Wo?"
    ledger = Ledger()
    rows = read(endpoint, tmp_path, ledger, key="b.jsonl", format={"kind": "jsonl"})
    assert rows == [Raw({"text": "A text."}, "s3://shop/b.jsonl:1")]
    assert [e.origin for e in ledger.entries] == ["s3://shop/b.jsonl:2"]


def test_texts_become_documents(endpoint: str, put: Put, tmp_path: Path) -> None:
    said = "A guide to everything that stands in the shop, from top to bottom."
    put({"docs/guide.md": said, "docs/short.txt": "Short."})
    ledger = Ledger()
    texts = source(endpoint, prefix="docs/", format={"kind": "text"})
    (document,) = read_s3_texts(texts, ledger, Quiet(), tmp_path)
    assert (document.text, document.origin) == (said, "s3://shop/docs/guide.md:1")
    assert (document.id, document.group) == ("s3://shop/docs/guide.md#1", "s3://shop/docs/guide.md")
    assert [(e.reason, e.origin) for e in ledger.entries] == [
        ("section too short", "s3://shop/docs/short.txt:1")
    ]
    with pytest.raises(TypeError):
        next(read_s3(texts, ledger, Quiet(), tmp_path))
    with pytest.raises(TypeError):
        next(read_s3_texts(source(endpoint), ledger, Quiet(), tmp_path))


def test_more_keys_than_one_listing_holds(endpoint: str, put: Put, tmp_path: Path) -> None:
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]  # of the server in this process: quicker
    for i in range(1003):
        backend.put_object(BUCKET, f"many/{i:04}", b"x")
    late = source(endpoint, prefix="many/", match="*/*2")
    fetched = fetch_s3(late, Ledger(), Quiet(), tmp_path)
    assert [f.origin for f in fetched] == [f"s3://shop/many/{i:04}" for i in range(2, 1003, 10)]
    before = digest_s3(late)
    backend.put_object(BUCKET, "many/1002", b"y")
    assert digest_s3(late) != before


def test_folders_are_passed_over_and_empty_objects_noted(
    endpoint: str, put: Put, tmp_path: Path
) -> None:
    put({"faq/": "", "faq/a.csv": CSV, "faq/b.csv": ""})
    ledger = Ledger()
    assert len(read(endpoint, tmp_path, ledger)) == 1
    assert [(e.reason, e.origin) for e in ledger.entries] == [
        ("object is empty", "s3://shop/faq/b.csv")
    ]


def test_only_what_changed_is_downloaded_again(endpoint: str, put: Put, tmp_path: Path) -> None:
    put({"a.csv": CSV, "b.csv": CSV})
    first = fetch_s3(source(endpoint), Ledger(), Quiet(), tmp_path)
    digest = digest_s3(source(endpoint))
    assert digest_s3(source(endpoint)) == digest
    stamps = [f.path.stat().st_mtime_ns for f in first]
    put({"b.csv": CSV.replace("Here", "There")})
    again = fetch_s3(source(endpoint), Ledger(), Quiet(), tmp_path)
    assert again[0] == first[0]
    assert again[0].path.stat().st_mtime_ns == stamps[0]
    assert "There" in again[1].path.read_text()
    assert "There" not in first[1].path.read_text()
    assert digest_s3(source(endpoint)) != digest
    assert not list(tmp_path.rglob("tmp*"))


def test_a_damaged_copy_is_fetched_again(endpoint: str, put: Put, tmp_path: Path) -> None:
    put({"a.csv": CSV})
    (fetched,) = fetch_s3(source(endpoint), Ledger(), Quiet(), tmp_path)
    fetched.path.write_text("cut")
    assert len(read(endpoint, tmp_path)) == 1


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"bucket": "nosuch"}, "s3://nosuch: no bucket named 'nosuch'"),
        ({"key": "nosuch.csv"}, "s3://shop/nosuch.csv: no object of this name"),
        ({"prefix": "nosuch/"}, "s3://shop: no object's key starts with 'nosuch/'"),
        ({"match": "*.xls"}, "s3://shop: none of 1 objects fits '*.xls'"),
        ({"bucket": "No Bucket!"}, "cannot reach the bucket"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "cannot reach the bucket"),
        ({"endpoint_url": "nonsense"}, "cannot reach the bucket"),
        ({"access_key_id": None, "secret_access_key": None}, "no credentials"),
    ],
)
def test_bad_input_says_what_is_wrong(
    endpoint: str, put: Put, tmp_path: Path, given: dict[str, Any], what: str
) -> None:
    put({"a.csv": CSV})
    assert what in failure(endpoint, tmp_path, **given)


def test_a_broken_file_is_called_by_its_key(endpoint: str, put: Put, tmp_path: Path) -> None:
    put({"a/b.csv": 'question,answer\n"Where?,Here.\n'})
    with pytest.raises(DataError) as error:
        read(endpoint, tmp_path)
    assert str(error.value).startswith("s3://shop/a/b.csv:2: this is not proper CSV")
    put({"a/b.csv.gz": gzip.compress(b"question,answer\n" + b"q,a\n" * 99)[:-9]})
    with pytest.raises(DataError, match="damaged or cut off") as error:
        read(endpoint, tmp_path, key="a/b.csv.gz", prefix=None)
    assert error.value.where == "s3://shop/a/b.csv.gz"


def test_a_variable_that_is_not_set(
    endpoint: str, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_SECRET")
    with pytest.raises(ConfigError, match="SHOP_SECRET is not set"):
        read(endpoint, tmp_path)


def test_access_is_denied(
    endpoint: str, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.core.authorization import enable_iam_authentication

    put({"a.csv": CSV})
    iam = client(endpoint, "iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    with enable_iam_authentication():
        assert "s3://shop: the credentials are refused" in failure(endpoint, tmp_path)
        monkeypatch.setenv("SHOP_KEY", key["AccessKeyId"])
        assert "s3://shop: the credentials are refused" in failure(endpoint, tmp_path)
        monkeypatch.setenv("SHOP_SECRET", key["SecretAccessKey"])
        assert "s3://shop: access denied" in failure(endpoint, tmp_path)
        assert "s3://shop/a.csv: access denied" in failure(endpoint, tmp_path, key="a.csv")


def test_a_missing_library_is_named(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ResourceError, match=r"pip install 'luthier\[data\]'"):
        read(endpoint, tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        {"prefix": "", "key": "a"},
        {"key": "a", "match": "*.csv"},
        {"secret_access_key": None},
        {"secret_access_key": "hunter2"},
        {"endpoint_url": "http://me:hunter2@host"},
        {"anonymous": True},
        {"session_token": "${T}", "access_key_id": None, "secret_access_key": None},
        {"format": {"kind": "csv", "path": "a.csv"}},
        {"format": {"kind": "text", "paths": ["a.md"]}},
        {"format": {"kind": "sql"}},
        {"bucket": ""},
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        source("http://localhost", **given)
    assert "hunter2" not in str(error.value)


def test_neither_key_nor_prefix_is_refused() -> None:
    with pytest.raises(ValidationError, match="give `key` or `prefix`"):
        S3Source.model_validate_json('{"bucket": "a", "format": {"kind": "csv"}}')


def test_nothing_that_is_written_down_holds_a_secret(
    endpoint: str, put: Put, tmp_path: Path
) -> None:
    put({"a.csv": CSV})
    given = source(endpoint)
    before = digest_of(given)
    read(endpoint, tmp_path)
    assert digest_of(given) == before
    names = [str(p) for p in tmp_path.rglob("*")]
    for told in (repr(given), given.model_dump_json(), *names):
        assert SECRET not in told


KEYS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
) | st.sampled_from(["../../etc/passwd", "a//b", "/a", "a/../b.csv", "*.csv", "[a].csv", "." * 9])


@settings(max_examples=10, deadline=None)
@given(bodies=st.dictionaries(KEYS, st.integers(0, 3), min_size=1, max_size=4))
def test_every_row_of_every_key_comes_out(
    endpoint: str, bodies: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    reset(endpoint)
    cache = tmp_path_factory.mktemp("cache")
    for key, rows in bodies.items():
        body = "".join(f'{{"text": "row {i}"}}\n' for i in range(rows)) + "no JSON\n"
        client(endpoint).put_object(Bucket=BUCKET, Key=f"k/{key}", Body=body.encode())
    ledger = Ledger()
    rows_out = read(endpoint, cache, ledger, prefix="k/", format={"kind": "jsonl"})
    ledger.check(
        rows_in=sum(bodies.values()) + len(bodies), rows_out=len(rows_out), limit=1.0, stage="s3"
    )
    expected = {f"s3://shop/k/{k}:{i + 1}" for k, rows in bodies.items() for i in range(rows)}
    assert {row.origin for row in rows_out} == expected
    assert all(path.is_relative_to(cache) for path in cache.rglob("*"))
