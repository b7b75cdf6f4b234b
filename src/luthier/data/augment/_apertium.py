"""Apertium as a local translator: one process for a batch, one line in, one line out.

M. Forcada et al., *Apertium: a free/open-source platform for rule-based machine translation*,
Machine Translation 25, 2011. Apertium looks over line ends to the neighbouring words, so each line
gets a full stop if it has none: a text's translation must not depend on the rows around it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from luthier.core.errors import ResourceError

_STOP = re.compile(r"\s*\.$")
_ENDED = re.compile(r"[.!?]$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def translate(texts: Sequence[str], direction: str, command: str = "apertium") -> list[str]:
    """Translations, one for each text; "" for a text with control characters in it.

    Args:
        texts: Each is translated by itself; line ends and repeated spaces become one space.
        direction: As Apertium names it: ``eng-spa``.
        command: Apertium's own command.

    Raises:
        ResourceError: Apertium or the direction is not installed, or it failed.
    """
    lines = [" ".join(text.split()) for text in texts]
    usable = [i for i, line in enumerate(lines) if line and not _CONTROL.search(line)]
    if not usable:
        return [""] * len(texts)
    ended = [bool(_ENDED.search(lines[i])) for i in usable]
    said = "".join(f"{lines[i]}{'' if e else '.'}\n" for i, e in zip(usable, ended, strict=True))
    found = _run(said, direction, command)
    if len(found) != len(usable):
        raise ResourceError(
            f"Apertium gave {len(found)} lines for {len(usable)}", where=f"apertium {direction}"
        )
    answers = [""] * len(texts)
    for i, was_ended, answer in zip(usable, ended, found, strict=True):
        plain = " ".join(answer.split())
        answers[i] = _in_case(lines[i], plain if was_ended else _STOP.sub("", plain))
    return answers


def _run(said: str, direction: str, command: str) -> list[str]:
    try:
        done = subprocess.run(
            [command, "-u", direction], input=said.encode(), capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise ResourceError(
            "Apertium is not installed",
            where=f"apertium {direction}",
            mend=f"Debian and Ubuntu: apt install apertium apertium-{direction}",
        ) from error
    if done.returncode:
        source, _, target = direction.partition("-")
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ResourceError(
            f"Apertium cannot translate {direction}: {told[0] if told else 'it failed'}",
            where=f"apertium {direction}",
            mend=f"Debian and Ubuntu: apt install apertium-{direction} "
            f"(or apertium-{target}-{source}); `apertium -l` lists what is there.",
        )
    return done.stdout.decode("utf-8", "replace").removesuffix("\n").split("\n")


def _in_case(model: str, text: str) -> str:
    """Text that begins as the model does: Apertium capitalises what comes after a full stop."""
    if model[:1].islower() and not text[1:2].isupper():
        return text[:1].lower() + text[1:]
    return text
