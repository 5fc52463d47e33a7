"""Labelled text as a call's transcript would hold it: as written, without case and punctuation, or with words misheard and swallowed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from jellyfish import metaphone

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

MIN_COUNT = 3
"""Words rarer than this are too often typing errors to stand in for another."""
SUBSTITUTED, DROPPED = 0.12, 0.06
"""Shares of words; a small recogniser gets 15-25 % of telephone words wrong (Switchboard and CallHome in the Whisper paper)."""
SHORT = 3
"""Letters up to which a word may be swallowed."""
AS_WRITTEN, AS_SPOKEN = 0.4, 0.7
"""Four in ten copies stay as written, three lose case and punctuation, three are misheard besides."""


def spoken(text: str) -> str:
    """The text as a plain recogniser writes it: no case, punctuation, links, handles, emoji or placeholders' brackets."""
    bare = re.sub(r"https?://\S+|@\w*|#", " ", text.lower().replace("’", "'"))
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", bare).split())


class Mishearing:
    """Puts words of the same sound (Metaphone, Philips 1990) for each other; each stands in as often as it occurs."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(word for text in texts for word in spoken(text).split())
        alike: dict[str, list[str]] = defaultdict(list)
        for word, count in sorted(counts.items()):
            if count >= MIN_COUNT and (code := metaphone(word)):
                alike[code].append(word)
        self._alike = {code: words for code, words in alike.items() if len(words) > 1}

    def copy(self, text: str, random: np.random.Generator) -> str:
        """One noisy copy; never empty where the text has a word."""
        kind = random.random()
        if kind < AS_WRITTEN:
            return text
        return spoken(text) if kind < AS_SPOKEN else self.misheard(text, random)

    def misheard(self, text: str, random: np.random.Generator) -> str:
        """The spoken text with some words replaced by ones that sound alike and some short ones left out."""
        words = spoken(text).split()
        heard = [self._heard(word, random) for word in words if len(word) > SHORT or random.random() >= DROPPED * 2]
        return " ".join(heard or words)

    def _heard(self, word: str, random: np.random.Generator) -> str:
        others = [other for other in self._alike.get(metaphone(word), ()) if other != word] if random.random() < SUBSTITUTED else []
        return others[int(random.integers(len(others)))] if others else word
