"""Two labelling functions for text messages: each names a label, or abstains with None."""

import re


def shouting(text: str) -> str | None:
    """Messages with several words in capitals and a price or a sign of alarm are spam."""
    capitals = re.findall(r"\b[A-Z]{4,}\b", text)
    return "spam" if capitals and re.search(r"[£$%!]", text) else None


def says_you_or_i(text: str) -> str | None:
    """Messages in the first person, without a link or a price, come from somebody we know."""
    personal = re.search(r"\b(i|i'm|im|i'll|we|we're|my|our|me)\b", text, re.IGNORECASE)
    return "ham" if personal and not re.search(r"https?://|[£$]\d|\btxt\b", text) else None
