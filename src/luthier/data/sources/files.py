"""Files as sources: patterns, compression, damage, and the digest of what they hold."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from luthier.core.errors import DataError, ResourceError
from luthier.core.progress import Progress

if TYPE_CHECKING:
    import zstandard

BLOCK_BYTES = 1 << 17
PACKED_BYTES = 1 << 14  # these may unpack to a hundred times as much
REPORT_ROWS = 1000

File = tuple[str, Path]
Row = TypeVar("Row")


def files_of(path: str, base: Path) -> list[File]:
    """The files that a ``path`` setting means, sorted by name.

    Args:
        path: A file, or a pattern with ``*``, ``?``, ``[...]`` or ``**``.
        base: Folder that relative paths start from.

    Returns:
        (name as it stands in origins, path). A plain file is called as the setting calls it; a
        file found by a pattern by its path below ``base``, where it lies there.

    Raises:
        DataError: There is no such file, or the pattern matches none.
    """
    plain = base / path
    if plain.is_file() or not any(sign in path for sign in "*?["):
        if not plain.is_file():
            _missing(plain)
        return [(path, plain)]
    where = Path(path)
    root = Path(where.anchor) if where.is_absolute() else base
    inner = where.relative_to(where.anchor) if where.is_absolute() else where
    found = {_name(match, base): match for match in root.glob(str(inner)) if match.is_file()}
    if not found:
        raise DataError(
            f"no file matches '{path}'",
            where="data.sources",
            mend=f"Patterns start at {base}; `**/` stands for any folders.",
        )
    return sorted(found.items())


def digest_files(files: Sequence[File]) -> str:
    """SHA-256 (hex) over the names, sizes and contents of files.

    Args:
        files: As ``files_of`` gives them.

    Raises:
        DataError: A file has vanished since, or may not be read.
    """
    found = hashlib.sha256()
    for name, path in files:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            found.update(f"\n{name}\n{path.stat().st_size}\n".encode() + content)
        except OSError as error:
            raise _unreadable(path, error) from error
    return found.hexdigest()


def digest_path(path: str, base: Path) -> str:
    """The same over the files that a ``path`` setting means.

    Raises:
        DataError: There is no such file.
    """
    return digest_files(files_of(path, base))


def read_files(
    path: str, base: Path, progress: Progress, rows_of: Callable[[str, Path], Iterable[Row]]
) -> Iterator[Row]:
    """The rows of all files that a ``path`` setting means, file by file, with a bar.

    Args:
        path: A file or a pattern, as ``files_of`` takes it.
        base: Folder that relative paths start from.
        progress: Shows how many rows were read.
        rows_of: Reads one file, by its name and path.

    Raises:
        DataError: There is no such file.
    """
    rows = itertools.chain.from_iterable(rows_of(*file) for file in files_of(path, base))
    yield from counted(rows, f"Reading {path}", progress)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; ``.gz`` and ``.zst`` are unpacked on the way.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be opened, or is damaged or cut off (also while it is being read).
        ResourceError: ``.zst`` and the library zstandard is not installed.
    """
    try:
        with path.open("rb") as packed, _unpacked(path, packed) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"this file is damaged or cut off: {error}",
            where=str(path),
            mend="Fetch or pack it again.",
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def empty(path: Path) -> DataError:
    """The error for a file without any row."""
    return DataError(
        "this file is empty",
        where=str(path),
        mend="Put rows into it, or take it out of `data.sources`.",
    )


def counted(rows: Iterable[Row], title: str, progress: Progress) -> Iterator[Row]:
    """Pass rows on with a bar that counts them.

    Args:
        rows: The rows.
        title: What is being read.
        progress: Shows the bar.
    """
    with progress.task(title) as task:
        waiting = 0
        for row in rows:
            yield row
            waiting += 1
            if waiting == REPORT_ROWS:
                task.advance(waiting)
                waiting = 0
        task.advance(waiting)


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot read this file: {error.strerror or error}",
        where=str(path),
        mend="Check `path` in the project file; it starts from the project file's folder.",
    )


def _missing(path: Path) -> None:
    """Say why a path is no file, in the words of the system."""
    with reading(path):
        pass


def _name(path: Path, base: Path) -> str:
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def _unpacked(path: Path, packed: BinaryIO) -> contextlib.AbstractContextManager[BinaryIO]:
    match path.suffix.lower():
        case ".gz":
            return gzip.GzipFile(fileobj=packed)  # type: ignore[return-value]
        case ".zst":
            return io.BufferedReader(_Zstandard(packed), BLOCK_BYTES)
        case _:
            return contextlib.nullcontext(packed)


class _Zstandard(io.RawIOBase):
    """Unpacks frame after frame, and notices a last one that is cut off.

    The library's own stream reader takes the end of a cut-off file for a proper end.
    """

    def __init__(self, packed: BinaryIO) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise ResourceError(
                "reading .zst needs the library zstandard", mend="pip install 'luthier[data]'"
            ) from error
        self._packed = packed
        self._unpacker = zstandard.ZstdDecompressor()
        self._damaged = zstandard.ZstdError
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._held = memoryview(b"")
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Fill the buffer with what comes next; 0 at the end."""
        while not self._held:
            block = self._rest or self._packed.read(PACKED_BYTES)
            self._rest = b""
            if not block:
                if self._frame is not None:
                    raise EOFError("it ends inside a frame")
                return 0
            self._unpack(block)
        view = memoryview(into)
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    def _unpack(self, block: bytes) -> None:
        frame = self._frame or self._unpacker.decompressobj()
        try:
            self._held = memoryview(frame.decompress(block))
        except self._damaged as error:
            raise EOFError(str(error)) from error
        self._rest = frame.unused_data if frame.eof else b""
        self._frame = None if frame.eof else frame
