"""The lines of a text file: which encoding it is in, and which of its lines cannot be read."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.sources.files import BLOCK_BYTES, reading

HEAD_BYTES = 1 << 16
SAMPLE_BYTES = 1 << 20  # of blocks with other than ASCII characters
LOOK_BYTES = 1 << 26
MAX_FOREIGN_SHARE = 0.3

# cp1252: bytes that stand for letters, and a byte inside a word that stands for none (but for the
# apostrophe and the soft hyphen): then it is another encoding, such as cp1250.
_LETTERS = rb"\x83\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff"
_SIGN_IN_WORD = re.compile(
    rb"[A-Za-z" + _LETTERS + rb"](?![\x92\xad" + _LETTERS + rb"])[\x80-\xff][A-Za-z]"
)
_UNUSED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_ANY_LETTER = re.compile(rb"[A-Za-z" + _LETTERS + rb"]")
_FOREIGN_LETTER = re.compile(rb"[" + _LETTERS + rb"]")


class Line(NamedTuple):
    """One line, with its line break.

    Attributes:
        number: Its place in the file, from 1.
        text: Its text; where ``fault`` says something, undecodable bytes stand as surrogates.
        fault: Which byte could not be read, or "".
    """

    number: int
    text: str
    fault: str


def known(encoding: str) -> str:
    """The name of an encoding, checked.

    Raises:
        ValueError: Python does not know it, or it is no encoding of text by lines.
    """
    if encoding == "auto":
        return encoding
    try:
        plain = "a\n".encode(encoding) in (b"a\n", "a\n".encode("utf-8-sig"))
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"no encoding is called '{encoding}'") from error
    if not plain and not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        raise ValueError(f"'{encoding}' does not hold text by lines")
    return encoding


def encoding_of(path: Path) -> str:
    """Tell a file's encoding from its bytes.

    A byte order mark decides. Without one, zero bytes mean UTF-16, and everything else is UTF-8,
    with a single exception: a file none of whose foreign characters is UTF-8, and whose bytes make
    sense as Western text, is Windows' cp1252. A file with both is UTF-8 with bad lines.

    Args:
        path: The file, perhaps compressed; up to 64 MiB of it are looked at.

    Returns:
        ``utf-8-sig``, ``utf-16`` (with its order of bytes if there is no mark), or ``cp1252``.

    Raises:
        DataError: The file cannot be read.
    """
    with reading(path) as file:
        head = file.read(HEAD_BYTES)
        if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) and head[4:]:
            return "utf-32"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if not head.startswith(codecs.BOM_UTF8):
            if head[1::2].count(0) > len(head) / 5:
                return "utf-16-le"
            if head[0::2].count(0) > len(head) / 5:
                return "utf-16-be"
            if _is_western(_foreign_lines(head, file)):
                return "cp1252"
    return "utf-8-sig"


def lines(path: Path, name: str, encoding: str, ledger: Ledger) -> Iterator[Line]:
    r"""Read a text file line by line; lines end with ``\n``, or ``\r`` where a file has no ``\n``.

    Args:
        path: The file, perhaps compressed.
        name: As it stands in origins.
        encoding: One that ``known`` accepts; ``auto`` asks ``encoding_of``.
        ledger: Gets a line if the file is in another encoding than UTF-8.

    Raises:
        DataError: The file cannot be read, or is cut off inside a character of UTF-16.
    """
    used = encoding_of(path) if encoding == "auto" else encoding
    plain = codecs.lookup(used).name
    if plain not in ("utf-8", "utf-8-sig", "ascii"):
        ledger.change("read as another encoding than UTF-8", name, used)
    with reading(path) as file:
        if plain.startswith(("utf-16", "utf-32")):
            yield from _wide(file, used, path)
            return
        for number, data in enumerate(_ended(file), start=1):
            codec = "utf-8-sig" if plain == "utf-8" and number == 1 else used
            codec = "utf-8" if plain == "utf-8-sig" and number > 1 else codec
            try:
                yield Line(number, data.decode(codec), "")
            except UnicodeDecodeError as error:
                fault = f"byte 0x{data[error.start]:02x} at column {error.start + 1}"
                yield Line(number, data.decode(codec, "surrogateescape"), fault)


def _ended(file: BinaryIO) -> Iterator[bytes]:
    r"""Lines that end with ``\n``, or with ``\r`` where the head of the file has no ``\n``."""
    held = file.read(HEAD_BYTES)
    held += file.read(1) if held.endswith(b"\r") else b""
    if b"\r" not in held or b"\n" in held:
        first = held.split(b"\n")
        yield from (line + b"\n" for line in first[:-1])
        if rest := first[-1] + file.readline():
            yield rest
        yield from file
        return
    while True:
        *whole, held = held.split(b"\r")
        yield from (line + b"\r" for line in whole)
        more = file.read(BLOCK_BYTES)
        if not more:
            break
        held += more
    if held:
        yield held


def _wide(file: BinaryIO, encoding: str, path: Path) -> Iterator[Line]:
    try:
        with io.TextIOWrapper(file, encoding=encoding, newline="\n") as text:
            for number, line in enumerate(text, start=1):
                yield Line(number, line.removeprefix("\ufeff") if number == 1 else line, "")
    except UnicodeError as error:
        raise DataError(
            f"not {encoding.upper()}: {error}", where=str(path), mend="Save the file as UTF-8."
        ) from error


def _foreign_lines(head: bytes, file: BinaryIO) -> list[bytes]:
    """Lines with other than ASCII characters, from the first blocks that have any."""
    found: list[bytes] = []
    looked = sampled = 0
    held = head + file.readline()
    while held and looked < LOOK_BYTES and sampled < SAMPLE_BYTES:
        looked += len(held)
        if not held.isascii():
            sampled += len(held)
            found += [line for line in held.split(b"\n") if not line.isascii()]
        held = file.read(BLOCK_BYTES) + file.readline()
    return found


def _is_western(foreign: list[bytes]) -> bool:
    if not foreign or any(_is_utf8(line) for line in foreign):
        return False
    sample = b"\n".join(foreign)
    letters = len(_ANY_LETTER.findall(sample))
    share = len(_FOREIGN_LETTER.findall(sample)) / max(letters, 1)
    odd = _SIGN_IN_WORD.search(sample) or _UNUSED.search(sample)
    return share <= MAX_FOREIGN_SHARE and odd is None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
