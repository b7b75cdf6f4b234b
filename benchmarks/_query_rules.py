"""Questions changed by seeded rules: misspelt, wrapped in courtesy, leaning on others, doubled."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence

from luthier.core.records import Message

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"[A-Za-z]{5,}")
_NAME = re.compile(r"(?:[A-Z][\w'-]+(?: of| the)? ){1,4}[A-Z][\w'-]+")
# Written down without a look at what Luthier takes away.
_BEFORE = (
    "Hi! ",
    "Hello everyone, ",
    "Please tell me: ",
    "Could you please tell me ",
    "I would like to know ",
    "I was wondering, ",
    "I'm trying to find out ",
    "Just a quick question: ",
    "Dear support team, ",
    "Can someone explain to me ",
    "Do you happen to know ",
    "I need to know: ",
    "Sorry to bother you, but ",
    "For my homework I have to find out ",
    "Good evening, I have a question. ",
)
_AFTER = (
    "",
    "",
    " Thanks!",
    " Thank you very much.",
    " Thanks in advance!",
    " Please help.",
    " Cheers",
)


def misspelt(question: str, number: int, errors: int) -> str:
    """A question with so many words of five or more letters misspelt, by one edit each.

    An edit is, with even chances, a swap of neighbouring letters, a letter left out, a letter typed
    twice, or a neighbouring key; never the first letter.
    """
    draw = random.Random(f"typo {number}")
    places = [found.span() for found in _WORD.finditer(question)]
    for start, end in sorted(draw.sample(places, min(errors, len(places))), reverse=True):
        question = question[:start] + _edited(question[start:end], draw) + question[end:]
    return question


def _edited(word: str, draw: random.Random) -> str:
    while True:
        at = draw.randrange(1, len(word) - 1)
        kind = draw.choice(("swap", "leave", "double", "key"))
        if kind == "swap":
            new = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        elif kind == "leave":
            new = word[:at] + word[at + 1 :]
        elif kind == "double":
            new = word[:at] + word[at] + word[at:]
        else:
            row = next((r for r in _ROWS if word[at].lower() in r), "")
            place = row.find(word[at].lower())
            near = [row[p] for p in (place - 1, place + 1) if row and 0 <= p < len(row)]
            new = word[:at] + draw.choice(near or [word[at]]) + word[at + 1 :]
        if new != word:
            return new


def courteous(question: str, number: int) -> str:
    """A question with courtesy before and perhaps behind it."""
    draw = random.Random(f"courtesy {number}")
    return draw.choice(_BEFORE) + question + draw.choice(_AFTER)


def follow_ups(
    asked: Sequence[Sequence[str]], answers: Sequence[Sequence[str]]
) -> list[tuple[int, list[Message], str]]:
    """Conversations of two questions on one paragraph, the second with "it" for a name of both.

    Args:
        asked: Questions of each paragraph.
        answers: Their answers.

    Returns:
        For each conversation the number of its paragraph, its turns, and the last question with
        the name.
    """
    made = []
    for paragraph, (questions, own) in enumerate(zip(asked, answers, strict=True)):
        for first, answer, second in zip(questions, own, questions[1:], strict=False):
            shared = [n for n in _names(second) if n.lower() in first.lower()]
            if shared:
                name = max(shared, key=len)
                leaning = second.replace(name, "it", 1)
                turns = [Message("user", first), Message("assistant", answer)]
                made.append((paragraph, [*turns, Message("user", leaning)], second))
    return made


def _names(question: str) -> list[str]:
    single = re.findall(r"(?<=\w )[A-Z][\w'-]+", question)
    return [*_NAME.findall(question), *single]


def doubled(asked: Sequence[Sequence[str]]) -> list[tuple[str, tuple[int, int]]]:
    """Two questions of different paragraphs in one, in two sentences or joined by "and"."""
    draw = random.Random("double")
    made = []
    for paragraph, questions in enumerate(asked):
        other = draw.choice([p for p in range(len(asked)) if p != paragraph])
        first, second = draw.choice(questions), draw.choice(asked[other])
        if draw.random() < 0.5:
            joined = f"{first} {second}"
        else:
            joined = f"{first.rstrip('?')} and {second[0].lower()}{second[1:]}"
        made.append((joined, (paragraph, other)))
    return made


def hundred_thousand(texts: Sequence[str]) -> dict[str, int]:
    """In how many texts each word stands, and made words of two halves until there are 100,000."""
    counts = Counter(word for text in texts for word in set(re.findall(r"[a-z]+", text)))
    draw, found = random.Random(0), sorted(counts)
    while len(counts) < 100_000:
        first, second = draw.choice(found), draw.choice(found)
        counts.setdefault(first[: len(first) // 2 + 1] + second[len(second) // 2 :], 1)
    return dict(counts)
