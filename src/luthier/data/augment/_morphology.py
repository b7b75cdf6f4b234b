"""English word endings and a guess at the part of speech, as far as replacing words needs them.

Endings are taken off and put on by the rules of school grammars. Irregular verbs and nouns are
known by name, and their regular-looking forms are never made. The part of speech is guessed from
the words before and after; no tagger is used.
"""

from __future__ import annotations

from typing import Literal

from luthier.data.augment._word_lists import word_set

Ending = Literal["", "s", "ed", "ing"]
Part = Literal["noun", "verb", "adj", "adv"]

IRREGULAR_PAST = word_set(
    "arise awake be bear beat become begin bend bet bid bind bite bleed blow break breed bring "
    "build burst buy cast catch choose cling come cost creep cut deal dig do draw drink drive eat "
    "fall feed feel fight find fit flee fling fly forbid forget forgive freeze get give go grind "
    "grow hang have hear hide hit hold hurt keep know lay lead leave lend let lie lose make mean "
    "meet mistake overcome pay put quit read ride ring rise run say see seek sell send set shake "
    "shed shine shoot show shrink shut sing sink sit sleep slide speak spend spin split spread "
    "spring stand steal stick sting strike string swear sweep swim swing take teach tear tell "
    "think throw understand undertake undo uphold upset wake wear weave weep win wind withdraw "
    "withhold write"
)
"""Verbs whose past does not end in -ed."""

IRREGULAR_PLURAL = word_set(
    "child man woman person foot tooth goose mouse louse ox sheep fish deer series species "
    "aircraft leaf life wife knife half shelf self wolf thief loaf calf datum medium criterion "
    "phenomenon analysis basis crisis information news money furniture advice equipment luggage"
)
"""Nouns whose plural does not end in -s, or that have none."""

_DOUBLING = word_set(
    "admit allot begin commit compel control defer deter dispel emit equip excel expel forget "
    "infer occur omit patrol permit prefer propel rebel recur refer regret remit repel submit "
    "transfer transmit"
)
_DETERMINERS = word_set(
    "a an the my your his her its our their this that these those some any each every no what "
    "which whose another all both"
)
_BEFORE_VERB = word_set(
    "to i you we they he she who please can could will would shall should may might must do does "
    "did don't doesn't didn't can't couldn't won't wouldn't i'll you'll we'll they'll let's"
)
_BEFORE_ADJECTIVE = word_set("is are was were be been am very too so more most quite how")
_AFTER_VERB = word_set("to me us him them up down on off out in")
_VOWELS = frozenset("aeiou")


def guess_parts(before: str, word: str, after: str) -> tuple[Part, ...]:
    """Parts of speech a word may have, the likeliest first; empty where nothing tells.

    Args:
        before: The word before it in lower case, or "" at the start of a sentence.
        word: The word in lower case.
        after: The word after it in lower case, or "".
    """
    if word.endswith("ly"):
        return ("adv",)
    if before in _BEFORE_VERB:
        return ("verb",)
    if before in _DETERMINERS:
        return ("adj", "noun") if after.isalpha() and after not in _BEFORE_ADJECTIVE else ("noun",)
    if before in _BEFORE_ADJECTIVE:
        return ("adj", "verb") if word.endswith(("ing", "ed")) else ("adj",)
    if not before and (after in _DETERMINERS or after in _AFTER_VERB):
        return ("verb",)
    return ()


def lemmas(word: str) -> list[tuple[str, Ending]]:
    """Words in their ground form that a word may be a form of, itself first.

    Args:
        word: In lower case.
    """
    found: list[tuple[str, Ending]] = [(word, "")]
    if word.endswith("ies") and len(word) > 4:
        found.append((word[:-3] + "y", "s"))
    elif word.endswith(("ches", "shes", "sses", "xes", "zes")):
        found.append((word[:-2], "s"))
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        found.append((word[:-1], "s"))
    if word.endswith("ied") and len(word) > 4:
        found.append((word[:-3] + "y", "ed"))
    elif word.endswith("ed") and len(word) > 4:
        found += [(stem, "ed") for stem in _stems(word[:-2])]
    if word.endswith("ing") and len(word) > 4:
        found += [(stem, "ing") for stem in _stems(word[:-3])]
    return [
        (lemma, ending)
        for lemma, ending in found
        if inflected(lemma, ending) == word and (not ending or _VOWELS & set(lemma))
    ]


def inflected(lemma: str, ending: Ending) -> str:
    """A form of a word; "" where it would be irregular.

    Args:
        lemma: The ground form, in lower case.
        ending: ``s`` of plurals and third persons, ``ed``, ``ing``, or none.
    """
    match ending:
        case "":
            return lemma
        case "s":
            if lemma in IRREGULAR_PLURAL:
                return ""
            if lemma.endswith(("ch", "sh", "s", "x", "z")):
                return lemma + "es"
            return lemma[:-1] + "ies" if _ends_in_consonant_y(lemma) else lemma + "s"
        case "ed":
            if lemma in IRREGULAR_PAST:
                return ""
            if lemma.endswith("e"):
                return lemma + "d"
            return lemma[:-1] + "ied" if _ends_in_consonant_y(lemma) else _doubled(lemma) + "ed"
        case "ing":
            if lemma.endswith("ie"):
                return lemma[:-2] + "ying"
            if lemma.endswith("e") and not lemma.endswith(("ee", "oe", "ye")):
                return lemma[:-1] + "ing"
            return _doubled(lemma) + "ing"


def _stems(stem: str) -> list[str]:
    """What may have stood before -ed or -ing: ``mov`` gives ``move``; ``stopp`` gives ``stop``."""
    undoubled = [stem[:-1]] if len(stem) > 2 and stem[-1] == stem[-2] else []
    return [stem, stem + "e", *undoubled, *([stem[:-1] + "ie"] if stem.endswith("y") else [])]


def _ends_in_consonant_y(lemma: str) -> bool:
    return len(lemma) > 1 and lemma[-1] == "y" and lemma[-2] not in _VOWELS


def _doubled(lemma: str) -> str:
    """Short or stressed stems double their last consonant: ``stop`` gives ``stopp``."""
    if lemma in _DOUBLING:
        return lemma + lemma[-1]
    short = len([c for c in lemma if c in _VOWELS]) == 1 and len(lemma) > 2
    doubles = lemma[-1] not in "wxyhr" + "aeiou" or lemma[-1:] == "r"
    closed = len(lemma) > 2 and lemma[-2] in _VOWELS and lemma[-3] not in _VOWELS
    return lemma + lemma[-1] if short and doubles and closed else lemma
