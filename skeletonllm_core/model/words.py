"""The tokenizer of the embedded model: one token a word, lower case, made from the texts that it is trained on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PADDING, BEGIN, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"


def word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer that knows every word and sign of the given texts, most frequent first, ties by the alphabet."""
    splitter = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    splitter.normalizer = normalizers.Lowercase()
    splitter.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)]
    )
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenizer.pre_tokenize_str(text.lower()))
    words = [
        PADDING,
        BEGIN,
        END,
        UNKNOWN,
        *(word for word, _ in sorted(counts.items(), key=lambda at: (-at[1], at[0]))),
    ]
    splitter.model = models.WordLevel({word: index for index, word in enumerate(words)}, unk_token=UNKNOWN)
    splitter.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=splitter, pad_token=PADDING, bos_token=BEGIN, eos_token=END, unk_token=UNKNOWN
    )


# Words that mean the same in a question about a body; the model has read only some of each row.
_WORDINGS = (
    ("hand", "arm", "wrist", "palm"), ("hands", "arms", "wrists"), ("foot", "leg"), ("feet", "legs"),
    ("person", "he", "she", "they", "human", "man", "woman", "someone", "somebody", "character", "actor", "body", "robot"),
    ("raised", "lifted", "up"), ("raise", "lift", "raises", "lifts"), ("turn", "rotate", "turns", "rotates", "turning"),
    ("move", "go", "travel", "moves", "goes", "travels", "moving"), ("fast", "quick", "quickly", "rapidly"),
    ("slowly", "slow"), ("jump", "leap", "hop", "jumps", "jumping"), ("kick", "kicks", "kicking", "kicked"),
    ("wave", "waves", "waved", "waving"), ("bend", "bends", "bending", "lean", "leans", "leaning"),
    ("clap", "claps", "clapping"), ("squat", "crouch", "squats", "crouches", "squatting", "crouching"),
    ("steps", "step", "footsteps"), ("walking", "walk", "walks"), ("running", "run", "runs", "jogging"),
    ("direction", "way"), ("often", "frequently"), ("doing", "do", "performing"), ("action", "activity", "motion", "movement"),
    ("forward", "forwards", "ahead"), ("backward", "backwards"), ("ground", "floor"), ("sit", "sits", "sitting"),
)  # fmt: skip


def known_wording(tokenizer: PreTrainedTokenizerBase, question: str) -> str:
    """The question with each word that the tokenizer does not know replaced by one that means the same, if there is one."""
    known = tokenizer.get_vocab()

    def replaced(found: re.Match[str]) -> str:
        word = found[0].lower()
        if word in known:
            return word
        group = next((group for group in _WORDINGS if word in group), ())
        return next((other for other in group if other in known), word)

    return re.sub(r"[^\W\d_]+", replaced, question)


def sentence(words: str) -> str:
    """Decoded words as a person writes them: no space before a sign, a number's digits together, a capital first."""
    text = re.sub(r"\s+([.,?!;:%°])", r"\1", words.strip())
    text = re.sub(r"(?<=\d)\s+(?=\d)", "", text)
    text = re.sub(r"(?<=\d)\.\s+(?=\d)", ".", text)
    return text[:1].upper() + text[1:]
