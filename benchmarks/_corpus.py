"""A seeded JSONL file of realistic rows: real sentences in new company, with what real files have.

Sentences come from the abstracts and questions of ``$LUTHIER_DATA`` (SciFact, GSM8K), else from
the documentation of the installed packages. One word in eight is exchanged, so that chance does
not make rows alike. Among the rows are exact copies, copies with 2 % and 5 % of the words edited,
other languages, personal data, and broken lines.
"""

from __future__ import annotations

import json
import os
import random
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SHARES = {
    "exact copy": 0.03,
    "copy, 2 % edited": 0.05,
    "copy, 5 % edited": 0.02,
    "other language": 0.03,
    "personal data": 0.05,
    "broken": 0.005,
}
POOL_CHARACTERS = 20_000_000
REMEMBERED = 5000  # rows that copies are made of
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_FOREIGN = (
    "Der Zug nach Hamburg fährt heute wegen einer Störung erst um acht Uhr und hält nicht an jedem "
    "kleinen Bahnhof, deshalb sollten Reisende ihre Anschlüsse prüfen und genug Zeit einplanen",
    "El tren hacia Sevilla sale hoy con retraso por una avería y no para en todas las estaciones "
    "pequeñas, por eso los viajeros deben comprobar sus enlaces y llegar con bastante tiempo",
    "Le train pour Marseille part aujourd'hui en retard à cause d'une panne et ne dessert pas "
    "toutes les petites gares, les voyageurs doivent donc vérifier leurs trains bien à l'avance",
)


def sentences() -> list[str]:
    """Real English sentences, always the same in the same installation."""
    found: list[str] = []
    characters = 0
    for text in _texts():
        for sentence in _SENTENCE.split(" ".join(text.split())):
            if 40 <= len(sentence) <= 300 and sentence.isascii():
                found.append(sentence)
                characters += len(sentence)
        if characters > POOL_CHARACTERS:
            break
    return found


def _texts() -> Iterator[str]:
    folder = Path(os.environ.get("LUTHIER_DATA", ""))
    if (folder / "scifact" / "corpus.jsonl").is_file():
        with (folder / "scifact" / "corpus.jsonl").open(encoding="utf-8") as file:
            yield from (json.loads(line)["text"] for line in file)
        for path in sorted((folder / "gsm8k").glob("*.jsonl")):
            with path.open(encoding="utf-8") as file:
                yield from (json.loads(line)["question"] for line in file)
        return
    packages = Path(sysconfig.get_paths()["purelib"])
    library = Path(sysconfig.get_paths()["stdlib"])
    for pattern in ("**/METADATA", "**/*.md", "**/*.rst"):
        for path in sorted(packages.glob(pattern)):
            yield path.read_text(encoding="utf-8", errors="replace")
    for path in sorted(library.glob("*.py")):
        yield from path.read_text(encoding="utf-8", errors="replace").split('"""')[1::2]


def make(path: Path, *, seed: int, size: int = 0, rows: int = 0) -> Counter[str]:
    """Write rows until the file has ``size`` bytes, or ``rows`` rows.

    Returns:
        Rows by kind: ``plain``, and those of ``SHARES``.
    """
    draw = random.Random(seed)
    pool = sentences()
    words = " ".join(pool[:: max(1, len(pool) // 3000)]).split()
    recent: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()
    written = number = 0
    kinds, weights = ["plain", *SHARES], [1 - sum(SHARES.values()), *SHARES.values()]
    with path.open("wb") as file:
        while (written < size) if size else (number < rows):
            kind = draw.choices(kinds, weights)[0] if recent else "plain"
            line, row = _line(kind, number, draw, pool, words, recent)
            if kind == "plain":
                slot = draw.randrange(REMEMBERED) if len(recent) >= REMEMBERED else len(recent)
                recent[slot : slot + 1] = [row]
            written += file.write(line + b"\n")
            number += 1
            counts[kind] += 1
    return counts


def _line(
    kind: str,
    number: int,
    draw: random.Random,
    pool: list[str],
    words: list[str],
    recent: list[tuple[str, str]],
) -> tuple[bytes, tuple[str, str]]:
    """A line of the file, and the question and answer in it."""
    if kind == "exact copy":
        question, answer = draw.choice(recent)
    elif kind.startswith("copy"):
        question, answer = draw.choice(recent)
        answer = _edited(answer, 0.02 if "2 %" in kind else 0.05, draw, words)
    elif kind == "other language":
        text = [word for word in draw.choice(_FOREIGN).split() for _ in range(3)]
        draw.shuffle(text)
        question, answer = f"{' '.join(text[:9])}?", " ".join(text[9:])
    else:
        question = _edited(draw.choice(pool), 0.125, draw, words)
        answer = " ".join(
            _edited(draw.choice(pool), 0.125, draw, words) for _ in range(draw.randint(4, 9))
        )
    if kind == "personal data":
        who = f"{draw.choice('abcdefgh')}{draw.randrange(10**6)}"
        answer += (
            f" Write to {who}@mail{draw.randrange(99)}.net or call +1 415 555 01{who[-2:]:>02}"
        )
        answer += f" from 8.8.{draw.randrange(250)}.{draw.randrange(250)}."
    row = {"id": number, "question": question, "answer": answer, "source": f"page {number % 997}"}
    line = json.dumps(row, ensure_ascii=False).encode()
    if kind == "broken":
        missing = json.dumps({**row, "answer": None}).encode()
        line = draw.choice([line[: len(line) // 2], missing, b"", b'{"id": 1}', b"{}"])
    return line, (question, answer)


def _edited(text: str, share: float, draw: random.Random, words: list[str]) -> str:
    """A text with a share of its words, at least one, exchanged."""
    parts = text.split(" ")
    for _ in range(max(1, round(share * len(parts)))):
        parts[draw.randrange(len(parts))] = draw.choice(words)
    return " ".join(parts)
