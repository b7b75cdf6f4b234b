"""The content-addressed store: finished artifacts are whole, unchanged ones are never remade.

A stage fills a draft folder; the manifest is written last and the folder renamed into place.
The folder's name is the digest of stage name, stage version and inputs. Layout under the root::

    artifacts/<stage>-<digest>/manifest.json   finished
    drafts/<stage>-<digest>/                   being filled; kept after a crash if resumable
    locks/<stage>-<digest>.lock                held while a draft is filled
    keep/<name>.json                           roots of what ``luthier gc`` must not delete
    calls/<model>-<digest>.jsonl               answers that were paid for; ``gc`` leaves them
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from luthier import __version__
from luthier.core.errors import LuthierError, ResourceError, StoreError
from luthier.core.spec import Spec, digest_of, everything, identity

MANIFEST = "manifest.json"
Summary = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Artifact:
    """A finished folder of the store.

    Attributes:
        stage: Which stage wrote it.
        digest: SHA-256 (hex) of stage, version and inputs.
        path: The folder.
        summary: What the stage said of it: counts, seconds, losses. Plain JSON.
        inputs: Names to digests (other artifacts) or identities (Specs, sources).
        wall_s: Seconds it took to make.
        reused: True if this call found it finished.
        finished: False if it is not made yet: only ``look`` returns such, whose folder is not
            there and whose summary is empty.
    """

    stage: str
    digest: str
    path: Path
    summary: dict[str, Any]
    inputs: dict[str, Any]
    wall_s: float
    reused: bool
    finished: bool = True

    @property
    def name(self) -> str:
        """``<stage>-<first 16 of digest>``: the folder's name."""
        return f"{self.stage}-{self.digest[:16]}"


class Store:
    """Artifacts under one root folder.

    Args:
        root: Made on first use.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(
        self,
        stage: str,
        version: int,
        inputs: Mapping[str, Any],
        fill: Callable[[Path], Summary],
        *,
        recorded: Mapping[str, Any] | None = None,
        resumable: bool = False,
    ) -> Artifact:
        """Return the artifact of these inputs, calling ``fill`` only if it isn't there yet.

        Args:
            stage: Stage name.
            version: The stage's version: raised when it would write something else.
            inputs: Specs, other artifacts, or plain JSON (digests of sources).
            fill: Writes files into the folder it is given and returns a plain JSON summary.
            recorded: Facts kept in the manifest that do not name the artifact. Specs among the
                inputs are recorded in full there, runtime fields too.
            resumable: Keep the draft after a failure, so that ``fill`` can go on in it.

        Raises:
            StoreError: Another process holds the lock of this artifact.
            ResourceError: The disk is full.
        """
        named, digest = _named(stage, version, inputs)
        name = f"{stage}-{digest[:16]}"
        final = self.root / "artifacts" / name
        if (final / MANIFEST).is_file():
            return dataclasses.replace(self.open(name), reused=True)
        draft = self.root / "drafts" / name
        with self._lock(name), _disk_errors(self.root):
            if (final / MANIFEST).is_file():  # another process finished it meanwhile
                return dataclasses.replace(self.open(name), reused=True)
            if draft.exists() and not resumable:
                shutil.rmtree(draft)
            draft.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            try:
                summary = dict(fill(draft))
                manifest = {
                    "stage": stage,
                    "version": version,
                    "digest": digest,
                    "inputs": named,
                    "recorded": {**_settings(inputs), **everything(dict(recorded or {}))},
                    "summary": summary,
                    **_stamp(started),
                }
                text = json.dumps(manifest, indent=2, ensure_ascii=False)
                final.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(draft / MANIFEST, text)
                os.replace(draft, final)
            except BaseException:
                if not resumable:
                    shutil.rmtree(draft, ignore_errors=True)
                raise
        return self.open(name)

    def look(self, stage: str, version: int, inputs: Mapping[str, Any]) -> Artifact:
        """The artifact that ``make`` would return, finished or not; nothing is written.

        Args:
            stage: Stage name.
            version: The stage's version.
            inputs: As for ``make``; artifacts among them need not be finished.
        """
        named, digest = _named(stage, version, inputs)
        final = self.root / "artifacts" / f"{stage}-{digest[:16]}"
        if (final / MANIFEST).is_file():
            return dataclasses.replace(self.open(final.name), reused=True)
        return Artifact(stage, digest, final, {}, named, 0.0, reused=False, finished=False)

    def open(self, name: str) -> Artifact:
        """Open a finished artifact by its folder name or an unambiguous beginning of it.

        Raises:
            StoreError: No such artifact, several, or a damaged manifest.
        """
        folder = self.root / "artifacts"
        whole = [p for p in self._finished() if p.name == name]
        found = whole or [p for p in self._finished() if p.name.startswith(name)]
        if len(found) != 1:
            what = "no artifact" if not found else f"{len(found)} artifacts"
            raise StoreError(
                f"{what} named '{name}'", where=str(folder), mend="`luthier show` lists them."
            )
        return _read_manifest(found[0])

    def all(self) -> list[Artifact]:
        """Every finished artifact, oldest first."""
        return [
            _read_manifest(p) for p in sorted(self._finished(), key=lambda p: p.stat().st_mtime)
        ]

    def _finished(self) -> list[Path]:
        folders = sorted((self.root / "artifacts").glob("*"))
        return [p for p in folders if not p.name.startswith(".") and (p / MANIFEST).is_file()]

    def keep(self, name: str, artifact: Artifact) -> None:
        """Name an artifact as a root: it and all it was made from survive ``collect_garbage``."""
        folder = self.root / "keep"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / f"{name}.json", json.dumps({"artifact": artifact.name}))

    def kept(self) -> dict[str, str]:
        """Roots by name.

        Raises:
            StoreError: A root's file is damaged.
        """
        roots = {}
        for path in sorted((self.root / "keep").glob("[!.]*.json")):
            try:
                roots[path.stem] = str(json.loads(path.read_text(encoding="utf-8"))["artifact"])
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"damaged root: {error}", where=str(path), mend="Delete this file."
                ) from error
        return roots

    def lineage(self, artifact: Artifact) -> list[Artifact]:
        """The artifact and everything it was made from, nearest first, each once."""
        seen: dict[str, Artifact] = {}
        waiting = [artifact]
        while waiting:
            one = waiting.pop(0)
            if one.name not in seen:
                seen[one.name] = one
                waiting += [self.open(name) for name in referred(one.inputs)]
        return list(seen.values())

    def collect_garbage(self, *, dry_run: bool = False) -> list[tuple[str, int]]:
        """Delete artifacts no kept root refers to, and all drafts.

        Returns:
            (name, bytes) of what was deleted, or would be if ``dry_run``.

        Raises:
            StoreError: A process is making something here: its inputs are not kept yet.
        """
        for lock in sorted((self.root / "locks").glob("*.lock")):
            with self._lock(lock.stem):
                pass
        needed = {a.name for root in self.kept().values() for a in self.lineage(self.open(root))}
        gone = []
        for folder in sorted((self.root / "artifacts").glob("*")):
            if folder.name not in needed:
                gone.append(self._delete(folder, dry_run))
        for draft in sorted((self.root / "drafts").glob("*")):
            with self._lock(draft.name):
                gone.append(self._delete(draft, dry_run))
        return gone

    def _delete(self, folder: Path, dry_run: bool) -> tuple[str, int]:
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        if not dry_run:
            doomed = folder.with_name(f".{folder.name.strip('.')}.{os.getpid()}")
            os.replace(folder, doomed)  # vanishes at once, deleted at leisure
            shutil.rmtree(doomed)
        return folder.name, size

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with _disk_errors(self.root):
            try:
                (self.root / "locks").mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise StoreError(
                    "a file stands where the store should be",
                    where=str(self.root),
                    mend="Name a folder as `store`, or move the file.",
                ) from error
            path = self.root / "locks" / f"{name}.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
                raise StoreError(
                    f"'{name}' is being made by another process (pid {holder})",
                    where=str(path),
                    mend="Wait until it has finished; the lock goes with the process.",
                ) from error
            with _disk_errors(self.root):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)


def write_atomic(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def referred(value: Any) -> list[str]:
    """Names of the artifacts that manifest inputs refer to."""
    if isinstance(value, dict):
        if set(value) == {"artifact"}:
            return [value["artifact"]]
        return [name for inner in value.values() for name in referred(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in referred(inner)]
    return []


def _named(stage: str, version: int, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What names the inputs, and the digest of them all."""
    named = {name: _input_identity(value) for name, value in inputs.items()}
    return named, digest_of({"stage": stage, "version": version, "inputs": named})


def _input_identity(value: Any) -> Any:
    if isinstance(value, Artifact):
        return {"artifact": value.name}
    if isinstance(value, list | tuple):
        return [_input_identity(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _input_identity(v) for k, v in value.items()}
    return identity(value)


def _read_manifest(folder: Path) -> Artifact:
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Artifact(
            stage=data["stage"],
            digest=data["digest"],
            path=folder,
            summary=data["summary"],
            inputs=data["inputs"],
            wall_s=data["wall_s"],
            reused=False,
        )
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"damaged artifact: {error}",
            where=str(folder),
            mend="Delete this folder; the next run makes it again.",
        ) from error


def _stamp(started: float) -> dict[str, Any]:
    return {
        "wall_s": round(time.monotonic() - started, 3),
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "luthier": __version__,
    }


def _settings(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: everything(value) for name, value in inputs.items() if isinstance(value, Spec)}


@contextlib.contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except LuthierError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        where = str(getattr(error, "filename", None) or root)
        if number in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(str(error)):
            raise ResourceError(
                "the disk is full",
                where=where,
                mend="Free some space (`luthier gc` deletes what no kept bundle needs) and run "
                "again: finished stages are not remade.",
            ) from error
        if number in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise ResourceError(
                "no permission", where=where, mend="Check who may read and write there."
            ) from error
        raise


# Libraries written in Rust and C++ (Lance, safetensors, SQLite) raise their own errors.
_FULL = re.compile(r"No space left on device|os error 28|database or disk is full")
