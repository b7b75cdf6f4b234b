"""Lists of English words that augmenters treat apart."""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """The words of a text, which are easier to read and mend there than in a list."""
    return frozenset(words.split())


NEGATIONS = word_set(
    "not no never none nothing nobody neither nor without cannot unless except "
    "ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mustn't needn't "
    "shouldn't wasn't weren't won't wouldn't"
)
"""English words that turn a meaning over; never altered."""

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
