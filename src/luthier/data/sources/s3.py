"""Source kind ``s3``: objects of a bucket (Amazon's or any compatible one), read like local files.

Objects are downloaded into a cache under a name made of bucket, key, ETag and size, so each
version of an object is downloaded once. The file readers do the rest; what they say of a file is
said of ``s3://bucket/key``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from pydantic import ConfigDict, Field, model_validator

from luthier.core.errors import DataError, LuthierError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress, track
from luthier.core.records import Document
from luthier.core.secrets import Secret, SecretUrl, redact, reveal, reveal_url
from luthier.core.spec import Spec, digest_of, runtime
from luthier.data.sources._objects import ObjectsSpec, TextObjects, read_rows
from luthier.data.sources.raw import Raw
from luthier.data.sources.text import read_text

_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3


class S3Source(Spec):
    """Objects of an S3 bucket, and what kind of file they are.

    Without keys of its own it asks where boto3 always looks: the environment, the AWS files, the
    machine's role.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["s3"] = "s3"
    bucket: str = Field(min_length=1)
    """The bucket."""
    key: str | None = Field(default=None, min_length=1)
    """One object; either this or ``prefix``."""
    prefix: str | None = None
    """All objects whose keys start so; an empty text stands for the whole bucket."""
    match: str = Field(default="*", min_length=1)
    """Of these, the keys that fit this pattern (``*.csv``; a star also stands for slashes)."""
    format: ObjectsSpec
    """How the objects are read: a source of files, such as ``{kind: csv}``, without its path."""
    endpoint_url: SecretUrl | None = None
    """Address of a server other than Amazon's."""
    region: str | None = Field(default=None, min_length=1)
    """Region of the bucket; as boto3 is set up if null."""
    access_key_id: Secret | None = None
    """Environment variable with the access key, as ``${NAME}``."""
    secret_access_key: Secret | None = None
    """Environment variable with its secret, as ``${NAME}``."""
    session_token: Secret | None = None
    """Environment variable with the token of a temporary key, as ``${NAME}``."""
    anonymous: bool = False
    """Ask without signing, for public buckets."""
    workers: int = runtime(8, ge=1, le=64)
    """Objects downloaded at a time."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.key is None) == (self.prefix is None):
            raise ValueError('give `key` or `prefix`, one of the two (`prefix: ""` is everything)')
        if self.key is not None and self.match != "*":
            raise ValueError("`match` chooses among the keys of a `prefix`")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("`access_key_id` and `secret_access_key` belong together")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("a `session_token` needs an `access_key_id`")
        if self.anonymous and self.access_key_id is not None:
            raise ValueError("`anonymous` uses no key")
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched:
    """An object that lies in the cache.

    Attributes:
        origin: ``s3://bucket/key``.
        path: Its copy; the file is called like the end of the key, as far as file systems allow.
    """

    origin: str
    path: Path


@dataclasses.dataclass(frozen=True, slots=True)
class _Object:
    key: str
    etag: str
    size: int


def read_s3(source: S3Source, ledger: Ledger, progress: Progress, cache: Path) -> Iterator[Raw]:
    """Read the rows of all objects, in the order of their keys.

    Args:
        source: What to read; its ``format`` is one of rows.
        ledger: Gets a line for each empty object, and those of the files' reader.
        progress: Shows the download and the files.
        cache: Folder for downloaded objects.

    Yields:
        Rows with origins such as ``s3://bucket/faq.csv:17``.

    Raises:
        ConfigError: An environment variable is missing.
        DataError: The bucket or key is missing or denied, or an object cannot be read.
        ResourceError: boto3 is not installed.
        TypeError: The format is one of texts.
    """
    form = source.format
    if isinstance(form, TextObjects):
        raise TypeError("read_s3_texts reads texts")
    for fetched in fetch_s3(source, ledger, progress, cache):
        with _told_of(fetched, ledger) as own:
            for raw in read_rows(form, fetched.path, own, progress):
                yield Raw(raw.values, _renamed(raw.origin, fetched))


def read_s3_texts(
    source: S3Source, ledger: Ledger, progress: Progress, cache: Path
) -> Iterator[Document]:
    """Read the texts of all objects, as ``read_s3`` reads rows; its ``format`` is ``text``."""
    form = source.format
    if not isinstance(form, TextObjects):
        raise TypeError("read_s3 reads rows")
    for fetched in fetch_s3(source, ledger, progress, cache):
        with _told_of(fetched, ledger) as own:
            one = form.model_copy(update={"paths": (fetched.path.name,)})
            for document in read_text(one, fetched.path.parent, own, progress):
                yield dataclasses.replace(
                    document,
                    id=_renamed(document.id, fetched),
                    origin=_renamed(document.origin, fetched),
                    group=_renamed(document.group, fetched),
                )


def digest_s3(source: S3Source) -> str:
    """A digest of the keys, ETags and sizes of all objects, without downloading them.

    Raises:
        ConfigError, DataError, ResourceError: As ``read_s3``.
    """
    return digest_of([[o.key, o.etag, o.size] for o in _list(source, _client(source))])


def fetch_s3(source: S3Source, ledger: Ledger, progress: Progress, cache: Path) -> list[Fetched]:
    """Download all objects that the cache lacks.

    Args:
        source: Which objects.
        ledger: Gets a line for each empty object.
        progress: Shows the download.
        cache: Folder for downloaded objects; it may be shared and deleted at any time.

    Returns:
        The objects that are not empty, in the order of their keys.

    Raises:
        ConfigError, DataError, ResourceError: As ``read_s3``.
    """
    client = _client(source)
    found = []
    for one in _list(source, client):
        if one.size == 0:
            ledger.refuse("object is empty", f"s3://{source.bucket}/{one.key}")
        else:
            found.append(one)
    pool = ThreadPoolExecutor(source.workers)
    try:
        paths = pool.map(lambda one: _download(one, source, client, cache), found)
        title = f"Fetching s3://{source.bucket}"
        done = list(track(progress, paths, title, len(found)))
    finally:
        pool.shutdown(cancel_futures=True)
    return [
        Fetched(f"s3://{source.bucket}/{one.key}", path)
        for one, path in zip(found, done, strict=True)
    ]


@contextlib.contextmanager
def _told_of(fetched: Fetched, ledger: Ledger) -> Iterator[Ledger]:
    """A ledger for one file; its lines and the errors speak of the object, not of the copy."""
    own = Ledger()
    try:
        yield own
    except LuthierError as error:
        error.where = error.where.replace(str(fetched.path), fetched.origin)
        raise
    finally:
        for entry in own.entries:
            ledger.entries.append(
                dataclasses.replace(entry, origin=_renamed(entry.origin, fetched))
            )


def _renamed(place: str, fetched: Fetched) -> str:
    """``faq.csv:17`` as ``s3://bucket/folder/faq.csv:17``."""
    return fetched.origin + place.removeprefix(fetched.path.name)


def _list(source: S3Source, client: Any) -> list[_Object]:
    with _failing(source):
        if source.key is not None:
            head = client.head_object(Bucket=source.bucket, Key=source.key)
            return [_Object(source.key, head["ETag"], head["ContentLength"])]
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=source.bucket, Prefix=source.prefix
        )
        listed = [
            _Object(entry["Key"], entry["ETag"], entry["Size"])
            for page in pages
            for entry in page.get("Contents", ())
        ]
    found = [
        one
        for one in sorted(listed, key=lambda one: one.key)
        if fnmatch.fnmatchcase(one.key, source.match)
        and not (one.key.endswith("/") and one.size == 0)  # a folder, as consoles draw them
    ]
    if not found:
        raise DataError(
            f"none of {len(listed)} objects fits '{source.match}'"
            if listed
            else f"no object's key starts with '{source.prefix}'",
            where=f"s3://{source.bucket}",
            mend="Check `prefix` and `match` in the project file.",
        )
    return found


def _download(one: _Object, source: S3Source, client: Any, cache: Path) -> Path:
    import botocore.exceptions

    named = digest_of([source.endpoint_url, source.bucket, one.key, one.etag, one.size])
    path = cache / "s3" / named[:40] / _file_name(one.key)
    if path.is_file() and path.stat().st_size == one.size:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, _ATTEMPTS + 1):
        with _failing(source, one.key):
            try:
                return _stream(one, source, client, path)
            except (
                botocore.exceptions.ResponseStreamingError,
                botocore.exceptions.IncompleteReadError,
                botocore.exceptions.ReadTimeoutError,
            ):
                if attempt == _ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def _stream(one: _Object, source: S3Source, client: Any, path: Path) -> Path:
    """Write an object beside its place, then move it there."""
    answer = client.get_object(Bucket=source.bucket, Key=one.key, IfMatch=one.etag)
    handle, beside = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return path


def _file_name(key: str) -> str:
    """The end of a key as a name that every file system takes, with its endings."""
    bare = re.sub(r"[^\w. -]", "_", key.rstrip("/").rpartition("/")[2]).strip(" .")
    while len(bare.encode()) > 120:
        bare = bare[1:]
    return bare or "object"


def _client(source: S3Source) -> Any:
    try:
        import boto3
        import botocore
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"the library '{error.name}' is not installed",
            where=f"s3://{source.bucket}",
            mend="pip install 'luthier[data]'",
        ) from None
    settings: dict[str, Any] = {"retries": {"mode": "standard", "max_attempts": _ATTEMPTS}}
    if source.anonymous:
        settings["signature_version"] = botocore.UNSIGNED
    if source.endpoint_url is not None:
        settings["s3"] = {"addressing_style": "path"}  # what servers other than Amazon's know
    login = {
        "aws_access_key_id": source.access_key_id,
        "aws_secret_access_key": source.secret_access_key,
        "aws_session_token": source.session_token,
    }
    with _failing(source):
        return boto3.session.Session().client(
            "s3",
            region_name=source.region,
            endpoint_url=reveal_url(source.endpoint_url) if source.endpoint_url else None,
            config=Config(max_pool_connections=source.workers, **settings),
            **{name: reveal(secret) for name, secret in login.items() if secret is not None},
        )


@contextlib.contextmanager
def _failing(source: S3Source, key: str | None = None) -> Iterator[None]:
    """Turn what boto3 raises into one clear message without secrets."""
    import botocore.exceptions as exceptions

    named = key if key is not None else source.key
    where = f"s3://{source.bucket}" + (f"/{named}" if named is not None else "")
    try:
        yield
    except exceptions.ClientError as error:
        _refused(error.response.get("Error", {}), source, where)
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise DataError(
            "no credentials for this bucket",
            where=where,
            mend="Name them with `access_key_id` and `secret_access_key`, or set `anonymous`.",
        ) from None
    except (exceptions.BotoCoreError, ValueError) as error:
        raise DataError(
            f"cannot reach the bucket: {_short(error)}",
            where=where,
            mend="Check `endpoint_url`, `region` and `bucket` in the project file.",
        ) from None


def _short(error: object) -> str:
    return " ".join(redact(error).split())[:200]


_REASONS: Sequence[tuple[str, str, str]] = (
    ("NoSuchBucket", "no bucket named '{}'", "Check `bucket`, `region` and `endpoint_url`."),
    ("NoSuchKey 404", "no object of this name", "Check `bucket` and `key`."),
    (
        "AccessDenied 403 AllAccessDisabled",
        "access denied",
        "The key needs the permissions s3:ListBucket and s3:GetObject for this bucket.",
    ),
    (
        "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken AuthFailure",
        "the credentials are refused",
        "Check what the environment variables of the access key hold.",
    ),
    ("PreconditionFailed 412", "the object was changed while it was read", "Run again."),
    ("InvalidObjectState", "the object is archived", "Restore it in the bucket first."),
)


def _refused(told: dict[str, Any], source: S3Source, where: str) -> NoReturn:
    code = str(told.get("Code", ""))
    for codes, what, mend in _REASONS:
        if code in codes.split():
            raise DataError(what.format(source.bucket), where=where, mend=mend) from None
    raise DataError(
        f"the bucket's server refuses: {_short(told.get('Message') or code)}",
        where=where,
        mend="Check `bucket`, `region` and `endpoint_url` in the project file.",
    ) from None
