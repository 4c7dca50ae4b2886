"""What is asked of every shard of the open corpus."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from tailfirst import artifacts
from tailfirst.config import Retrieval
from tailfirst.embedding.keys import Keys
from tailfirst.retrieval.corpus import TRAITS
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.hygiene import ruled
from tailfirst.takedowns import NOTHING, Takedowns

ASKS = (
    "counts_only",
    "match_limit",
    "max_nsfw",
    "licences",
    "max_watermark",
    "min_similarity",
    "min_side",
)  # fmt: skip - the rules that the pass over the captions follows; the others come after it


@dataclass(frozen=True, slots=True)
class Question:
    """Names, rules, items and take-downs that a pass over the captions depends on."""

    lexicon: Lexicon
    rules: Retrieval
    items: Keys  # content keys of pool and holdout
    seed: int  # of the campaign; the draw depends on it and on open ids, not on the order of shards
    is_text: bool  # whether the captions themselves are the content
    banned: Takedowns = NOTHING  # what was taken down

    @property
    def columns(self) -> tuple[str, ...]:
        """Our names of what is read of a row that names a class; none where rows are only counted."""
        if self.rules.counts_only:
            return ()
        return (*TRAITS, *ruled(self.rules), *(("url",) if self.banned.urls else ()))

    def digest(self) -> str:
        """Hex sha256 that changes whenever an answer could: it covers the code of this folder, too."""
        lexicon, rules = self.lexicon, self.rules.model_dump(mode="json")
        asked = {
            "names": [lexicon.names, lexicon.phrases, lexicon.name_class.tolist(), lexicon.name_phrase.tolist()],
            "classes": [one.id for one in lexicon.classes],
            "rules": {name: rules[name] for name in ASKS},
            "items": artifacts.sha256_bytes(self.items.first.tobytes() + self.items.second.tobytes()),
            "seed": self.seed,
            "is_text": self.is_text,
            "banned": [sorted(self.banned.ids), sorted(self.banned.shas), sorted(self.banned.urls)],
            "code": [artifacts.sha256_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))],
            "unicode": unicodedata.unidata_version,
        }
        return artifacts.sha256_bytes(artifacts.canonical_json(asked).encode())
