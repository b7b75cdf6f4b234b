"""How groups of people are represented: how many texts name each, and with what words beside.

A count of names, not a judgement: a text about nurses that says "she" is no harm, a thousand that
never say "he" may be. The terms are English.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "gender": {
        "women": ("she", "her", "hers", "herself", "woman", "women", "girl", "girls", "female",
                  "mother", "mothers", "daughter", "daughters", "wife", "wives", "lady", "ladies"),
        "men": ("he", "him", "his", "himself", "man", "men", "boy", "boys", "male", "father",
                "fathers", "son", "sons", "husband", "husbands", "gentleman", "gentlemen"),
        "non-binary people": ("nonbinary", "non-binary", "genderqueer", "transgender"),
    },
    "age": {
        "the young": ("young", "teenager", "teenagers", "child", "children", "youth", "kid",
                      "kids", "student", "students"),
        "the old": ("old", "elderly", "senior", "seniors", "pensioner", "pensioners", "aged",
                    "grandmother", "grandfather", "retired"),
    },
    "religion": {
        "Christians": ("christian", "christians", "catholic", "catholics", "protestant", "church"),
        "Muslims": ("muslim", "muslims", "islam", "islamic", "mosque"),
        "Jews": ("jew", "jews", "jewish", "judaism", "synagogue"),
        "Hindus": ("hindu", "hindus", "hinduism"),
        "Buddhists": ("buddhist", "buddhists", "buddhism"),
        "atheists": ("atheist", "atheists", "atheism"),
    },
    "origin": {
        "Africans": ("african", "africans", "nigerian", "kenyan", "black"),
        "Asians": ("asian", "asians", "chinese", "indian", "indians", "japanese", "korean"),
        "Europeans": ("european", "europeans", "german", "germans", "french", "british", "white"),
        "Latin Americans": ("latino", "latina", "latinos", "hispanic", "mexican", "mexicans",
                            "brazilian"),
        "Arabs": ("arab", "arabs", "arabic", "syrian", "egyptian"),
        "immigrants": ("immigrant", "immigrants", "migrant", "migrants", "refugee", "refugees"),
    },
    "orientation": {
        "gay people": ("gay", "lesbian", "lesbians", "homosexual", "queer", "bisexual"),
        "straight people": ("straight", "heterosexual"),
    },
    "disability": {
        "disabled people": ("disabled", "disability", "disabilities", "wheelchair", "blind",
                            "deaf", "autistic", "handicapped"),
    },
}  # fmt: skip
MOST_WORDS = 8
_WINDOW = 4
_LEAST = 20
_PLAIN = frozenset(
    re.findall(
        r"\w+",
        "a an the and or but of to in on at for with by from as is are was were be been has have "
        "had it its this that these those who which what when where how not no so if then than "
        "there here they them their i you your we us our my me do does did will would can could "
        "should may might about into over after before more most some any all one two up out also "
        "just very",
    )
)
_TERM_OF = {
    term: (attribute, group)
    for attribute, groups in GROUPS.items()
    for group, terms in groups.items()
    for term in terms
}
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)?")


def represented(texts: Sequence[str]) -> list[dict[str, Any]]:
    """How often the groups of each attribute are named, and what is said of them.

    Args:
        texts: Any texts.

    Returns:
        For each attribute that at least twenty texts mention: ``attribute``; ``ratio`` of the most
        to the least named group (those never named count as one half); ``said``, the counts in
        words; ``groups``: for each its number of ``texts`` and the ``words`` that stand beside it
        more than elsewhere (highest log-likelihood ratio, Dunning 1993).
    """
    naming: Counter[tuple[str, str]] = Counter()
    beside: dict[tuple[str, str], Counter[str]] = {}
    overall: Counter[str] = Counter()
    for text in texts:
        words = _WORD.findall(text.lower())
        overall.update(words)
        places = [(i, found) for i, w in enumerate(words) if (found := _TERM_OF.get(w))]
        naming.update({found for _, found in places})
        for i, found in places:
            near = words[max(0, i - _WINDOW) : i] + words[i + 1 : i + 1 + _WINDOW]
            beside.setdefault(found, Counter()).update(near)
    told = []
    for attribute, groups in GROUPS.items():
        counts = {group: naming[attribute, group] for group in groups}
        if sum(counts.values()) < _LEAST:
            continue
        ordered = sorted(counts.items(), key=lambda kv: -kv[1])
        told.append(
            {
                "attribute": attribute,
                "ratio": round(ordered[0][1] / max(ordered[-1][1], 0.5), 2),
                "said": ", ".join(f"{group} {n:,}" for group, n in ordered),
                "groups": {
                    group: {
                        "texts": n,
                        "words": _marked(beside.get((attribute, group), Counter()), overall),
                    }
                    for group, n in ordered
                },
            }
        )
    return told


def _marked(near: Counter[str], overall: Counter[str]) -> list[str]:
    """The words that stand near more often than anywhere, by their log-likelihood ratio."""
    inside, everywhere = sum(near.values()), sum(overall.values())
    scores = {}
    for word, count in near.items():
        if count < 3 or word in _PLAIN or word in _TERM_OF:
            continue
        expected = overall[word] * inside / everywhere
        if count > expected:
            scores[word] = count * math.log(count / expected)
    return sorted(scores, key=lambda w: (-scores[w], w))[:MOST_WORDS]
