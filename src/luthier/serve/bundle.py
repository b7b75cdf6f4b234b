"""The bundle: one folder that holds all that is needed to answer, each file named by its digest.

    bundle.json          what it is, and the SHA-256 of every other file
    model/               the model folder (weights, tokenizer, chat template), or the classifier's
    encoder/             what a classifier's texts are encoded with
    index/               the retrieval index, if the route retrieves
    shots.parquet        the examples put before the question, if the route is few-shot
    questions.parquet    the evaluation questions, against which drift is measured

A bundle is refused when a file is missing, damaged or new among the model's, and when the chat
template is not the one the model was trained and measured with.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from luthier.core.errors import ServeError, StoreError
from luthier.core.records import Example, read_table, write_table
from luthier.core.spec import digest_file, digest_of
from luthier.core.store import MANIFEST, Store, write_atomic
from luthier.evaluate.routes import RETRIEVE, Route
from luthier.models.generate import Sampling
from luthier.models.quantise import Quantisation
from luthier.rag.spec import RagSpec

Precision = Literal["float32", "bfloat16"]
BUNDLE_VERSION = 1
BUNDLE = "bundle.json"
LATEST = "latest"  # the store's root (``Store.keep``) that the last run set
MODEL, INDEX, ENCODER = "model", "index", "encoder"
SHOTS, QUESTIONS = "shots.parquet", "questions.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class BundleInfo:
    """What a bundle says of itself beside its files.

    Attributes:
        template: Digest of the chat template (``Renderer.digest``) it was measured with; "" for a
            classifier, which has none.
        sampling: How it answers where a request says nothing.
        questions: The evaluation questions (last user turns).
        inputs: Roles to names of the artifacts it was made from (``{"model": "tune-..."}``).
        precision: Of a language model's weights in memory, as they were measured.
        quantisation: Of its linear layers, as they were measured; the files hold whole weights.
        rag: Settings of retrieval; None if the route has none.
        shots: Examples put before the question; empty unless the route is ``few-shot``.
        facts: Anything worth showing, such as the base model's name or the measured score.
    """

    template: str
    sampling: Sampling
    questions: tuple[str, ...]
    inputs: Mapping[str, str]
    precision: Precision = "float32"
    quantisation: Quantisation = "none"
    rag: RagSpec | None = None
    shots: tuple[Example, ...] = ()
    facts: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle.

    Attributes:
        path: Its folder.
        name: The name under which it is served.
        route: How it answers.
        digest: SHA-256 (hex) over settings and files; the same content has the same digest.
        made_at: When it was written (ISO 8601, UTC).
        info: Settings, examples and questions.
    """

    path: Path
    name: str
    route: Route
    digest: str
    made_at: str
    info: BundleInfo

    @property
    def model_folder(self) -> Path:
        """The folder of the model, or of the classifier."""
        return self.path / MODEL

    @property
    def encoder_folder(self) -> Path:
        """The folder of a classifier's encoder; other routes have none."""
        return self.path / ENCODER

    @property
    def index_folder(self) -> Path | None:
        """The retrieval index's folder, or None if the route does not retrieve."""
        return None if self.info.rag is None else self.path / INDEX


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    text: str


def write_bundle(
    folder: Path,
    *,
    name: str,
    route: Route,
    model_folder: Path,
    index_folder: Path | None,
    info: BundleInfo,
    encoder_folder: Path | None = None,
) -> dict[str, Any]:
    """Fill a folder with a bundle; files are hard-linked where the disk allows it, else copied.

    Args:
        folder: The folder to fill (a draft of the store).
        name: The name under which it will be served.
        route: How it answers.
        model_folder: The model, or the classifier, to answer with.
        index_folder: The index to retrieve from; given if and only if ``info.rag`` is.
        info: Everything else.
        encoder_folder: The encoder of a classifier; given if and only if that is the route.

    Returns:
        Digest, route, number of files and bytes.

    Raises:
        ServeError: Route and parts do not belong together.
    """
    _check_parts(route, index_folder, encoder_folder, info)
    _take(model_folder, folder / MODEL)
    if encoder_folder is not None:
        _take(encoder_folder, folder / ENCODER)
    if index_folder is not None:
        _take(index_folder, folder / INDEX)
    if info.shots:
        write_table(folder / SHOTS, info.shots, Example)
    write_table(folder / QUESTIONS, [_Question(text) for text in info.questions], _Question)
    named = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != BUNDLE]
    content = {
        "version": BUNDLE_VERSION,
        "name": name,
        "route": route,
        "template": info.template,
        "sampling": info.sampling.model_dump(mode="json"),
        "precision": info.precision,
        **({} if info.quantisation == "none" else {"quantisation": info.quantisation}),
        "rag": None if info.rag is None else info.rag.model_dump(mode="json"),
        "inputs": dict(info.inputs),
        "facts": dict(info.facts),
        "files": {p.relative_to(folder).as_posix(): digest_file(p) for p in named},
    }
    made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    written = {**content, "digest": digest_of(content), "made_at": made_at}
    write_atomic(folder / BUNDLE, json.dumps(written, indent=2, ensure_ascii=False))
    size = sum(p.stat().st_size for p in named)
    return {"digest": written["digest"], "route": route, "files": len(named), "bytes": size}


def open_bundle(path: Path, *, verify: bool = True) -> Bundle:
    """Open a bundle.

    Args:
        path: Its folder.
        verify: Hold every file against its digest and the chat template against the one
            recorded. It reads the whole folder: about a second per gigabyte.

    Raises:
        ServeError: No bundle, a file is missing, damaged or unknown, or the template differs.
    """
    data = _read_json(path)
    if verify:
        _check_files(path, data["files"])
    try:
        info = BundleInfo(
            template=data["template"],
            sampling=Sampling.model_validate_json(_text(data["sampling"])),
            questions=read_questions(path),
            inputs=data["inputs"],
            precision=data["precision"],
            quantisation=data.get("quantisation", "none"),
            rag=None if data["rag"] is None else RagSpec.model_validate_json(_text(data["rag"])),
            shots=tuple(read_table(path / SHOTS, Example)) if SHOTS in data["files"] else (),
            facts=data["facts"],
        )
    except (ValidationError, StoreError) as error:
        raise ServeError(
            f"this bundle's settings cannot be read: {error}",
            where=str(path / BUNDLE),
            mend="Make it again with `luthier run`.",
        ) from error
    if verify and info.template:
        _check_template(path, info.template)
    return Bundle(
        path=path,
        name=data["name"],
        route=data["route"],
        digest=data["digest"],
        made_at=data["made_at"],
        info=info,
    )


def find_bundle(store: Store, name: str | None = None) -> Path:
    """The folder of a bundle.

    Args:
        store: Where bundles are made.
        name: A bundle's folder, or an artifact of the store; None for the store's latest.

    Raises:
        ServeError: The store has no bundle yet.
        StoreError: It has none of this name.
    """
    if name is not None:
        return Path(name) if Path(name).is_dir() else store.open(name).path
    latest = store.kept().get(LATEST)
    if latest is None:
        raise ServeError(
            "there is no bundle yet",
            where=str(store.root),
            mend="`luthier run` makes one; --project names another project, --store another store.",
        )
    return store.open(latest).path


def read_questions(path: Path) -> tuple[str, ...]:
    """The evaluation questions a bundle carries.

    Raises:
        StoreError: The file is missing or damaged.
    """
    return tuple(row.text for row in read_table(path / QUESTIONS, _Question))


def read_digest(path: Path) -> str:
    """A bundle's digest, without opening the rest.

    Raises:
        ServeError: No bundle is there.
    """
    return str(_read_json(path)["digest"])


def _check_parts(
    route: Route, index_folder: Path | None, encoder_folder: Path | None, info: BundleInfo
) -> None:
    retrieves = route in RETRIEVE
    if retrieves != (index_folder is not None) or retrieves != (info.rag is not None):
        raise ServeError(
            f"a bundle for route '{route}' needs {'an' if retrieves else 'no'} index",
            mend="Give index and settings of retrieval together, for the routes that retrieve.",
        )
    if (route == "classifier") != (encoder_folder is not None):
        raise ServeError(
            f"a bundle for route '{route}' needs {'an' if route == 'classifier' else 'no'} encoder",
            mend="Give an encoder for the classifier, and for no other route.",
        )
    if (route == "few-shot") != bool(info.shots):
        raise ServeError(
            f"a bundle for route '{route}' needs {'' if route == 'few-shot' else 'no '}examples",
            mend="Give examples for the few-shot route, and for no other.",
        )


def _take(source: Path, target: Path) -> None:
    """Hard-link or copy a folder's files; a store's manifest is not part of the content."""
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.relative_to(source) == Path(MANIFEST):
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(path.resolve(), place)
        except OSError:  # another disk, or a file system without hard links
            shutil.copyfile(path, place)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads((path / BUNDLE).read_text(encoding="utf-8"))
        if data["version"] > BUNDLE_VERSION:
            raise ServeError(
                f"this bundle was written by a newer Luthier (format {data['version']})",
                where=str(path),
                mend="Upgrade Luthier.",
            )
        content = {k: v for k, v in data.items() if k not in ("digest", "made_at")}
        if digest_of(content) != data["digest"]:
            raise ServeError(
                "bundle.json is not as it was written",
                where=str(path / BUNDLE),
                mend="Make the bundle again with `luthier run`.",
            )
        return dict(data)
    except FileNotFoundError as error:
        raise ServeError(
            "there is no bundle here",
            where=str(path),
            mend="`luthier run` makes one and shows its path.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServeError(
            f"this bundle's bundle.json is damaged: {error}",
            where=str(path / BUNDLE),
            mend="Make the bundle again with `luthier run`.",
        ) from error


def _check_files(path: Path, files: Mapping[str, str]) -> None:
    wrong = []
    for name, digest in files.items():
        try:
            if digest_file(path / name) != digest:
                wrong.append(f"{name} is damaged")
        except OSError as error:
            wrong.append(f"{name} is missing ({error.strerror})")
    there = (p for part in (MODEL, ENCODER) for p in (path / part).rglob("*") if p.is_file())
    names: Sequence[str] = sorted(p.relative_to(path).as_posix() for p in there)
    new = [name for name in names if name not in files]
    wrong += [f"{name} was not there when the bundle was made" for name in new]
    if wrong:
        raise ServeError(
            f"this bundle is refused: {'; '.join(wrong[:5])}",
            where=str(path),
            mend="Make it again: delete this folder and call `luthier run`.",
        )


def _check_template(path: Path, recorded: str) -> None:
    from luthier.models.load import load_tokenizer
    from luthier.models.render import Renderer

    found = Renderer(load_tokenizer(path / MODEL)).digest
    if found != recorded:
        raise ServeError(
            "this bundle is refused: its chat template renders otherwise than the one it was "
            f"trained and measured with (digest {found[:12]}, recorded {recorded[:12]})",
            where=str(path / MODEL),
            mend="The model would answer worse without a word. Make the bundle again.",
        )


def _text(value: Any) -> str:
    return json.dumps(value)
