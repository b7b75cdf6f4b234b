"""Lists of English words that augmenters treat apart."""

from __future__ import annotations

import functools
from importlib import resources


def word_set(words: str) -> frozenset[str]:
    """The words of a text, which are easier to read and mend there than in a list."""
    return frozenset(words.split())


NEGATIONS = word_set(
    "not no never none nothing nobody neither nor without cannot unless except "
    "ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mustn't needn't "
    "shouldn't wasn't weren't won't wouldn't"
)
"""English words that turn a meaning over; never altered."""

NUMBER_WORDS = word_set(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred hundreds thousand thousands million millions billion billions trillion dozen dozens "
    "half halves third thirds quarter quarters fourth fourths fifth fifths sixth seventh eighth "
    "ninth tenth first second once twice thrice double triple quadruple percent"
)
"""English words that say how many, how often or which; never altered."""

RELATIONS = word_set(
    "about all altogether any around away another before after between both each either every "
    "everyone everything few fewer fewest from how if into last less least many more most much "
    "neither next only other others per previous rest remaining left same several some than that "
    "times total until what when where whether which who whom whose why"
)
"""English words that tie quantities and persons together; in rows without a label never altered."""

FILLERS = word_set("the very really just also please quite simply actually perhaps rather")
"""English words a sentence can lose and still say the same."""

REFERRING = word_set(
    "he him his himself she her hers herself it its itself they them their theirs themselves this "
    "that these those one ones then next later afterwards finally however but also so therefore "
    "thus again another other others rest remaining left same both such more less fewer former "
    "latter each after before now there's instead still too meanwhile first second third last"
)
"""English words that lean on what was said before."""

ABBREVIATIONS = word_set(
    "mr mrs ms dr prof st sr jr gen col capt lt sgt rev hon messrs mt ft no nos vol fig eq ch sec "
    "pp vs cf al etc approx ca inc ltd co corp dept est min max tel ext jan feb mar apr jun jul "
    "aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat oz lb lbs yr yrs hr hrs"
)
"""English words that a full stop belongs to, in lower case and without it."""

STOP_WORDS = word_set(
    "a about above after again all am an and any are as at be because been before being below "
    "between both but by can could did do does doing down during each few for from further had has "
    "have having he her here hers herself him himself his how i i'd i'll i'm i've if in into is it "
    "it's its itself just let let's me more most my myself of off on once only or other our ours "
    "ourselves out over own please same shall she should so some such than that that's the their "
    "theirs them themselves then there there's these they this those through to too under until up "
    "very was we were what what's when when's where where's which while who who's whom why will "
    "with would you you'd you'll you're you've your yours yourself yourselves"
)
"""English words without a meaning of their own; never replaced by a synonym or a neighbour."""


@functools.cache
def common_words() -> frozenset[str]:
    """Some 6,700 common English words in their ground form, in lower case."""
    text = resources.files("luthier.data.augment").joinpath("common_words.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())
