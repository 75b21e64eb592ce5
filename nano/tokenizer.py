"""The byte-level BPE vocabulary that all roles share. Run as `python -m nano.tokenizer FOLDER`.

A digit is always one token, and merges stay within a word, so that numbers and names can be copied piece by piece
wherever they stand.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from nano.catalogue import CONCEPTS
from nano.material import MARKERS
from nano.texts import ROLES, example

VOCABULARY, PER_ROLE = 1024, 4000
END, PAD = "<eos>", "<pad>"
# a digit, a line break, a word or a sign (each with the blank before it, and the blank before a digit), a blank
PIECES = r"\d|\n| ?[A-Za-z'\-]+(?: (?=\d))?| ?[^A-Za-z\d\n ]+(?: (?=\d))?| "


def texts(per_role: int = PER_ROLE, seed: int = 0) -> Iterator[str]:
    """Texts of all roles, and each concept by itself so that none is cut small."""
    yield from ("\n".join(f"{i}. {concept} yes; {concept}: and {concept}" for concept in CONCEPTS) for i in range(20))
    for role in ROLES:
        for index in range(per_role):
            one = example(role, seed, index)
            yield one.prompt + one.completion


def train(per_role: int = PER_ROLE) -> PreTrainedTokenizerFast:
    """The tokenizer that `texts` gives. The markers of the texts are single tokens, which decoding does not skip."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    marks = [AddedToken(mark, special=False, normalized=False) for mark in (*MARKERS, "<think>", "</think>")]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(marks),
        min_frequency=2,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(per_role), trainer)
    tokenizer.add_tokens(marks)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)


def main() -> None:
    """Train the tokenizer and save it; shipped weights fit only the tokenizer that they were trained with."""
    parser = argparse.ArgumentParser(prog="python -m nano.tokenizer", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-role", type=int, default=PER_ROLE, help="texts of each role to learn from")
    chosen = parser.parse_args()
    folder, tokenizer = chosen.folder, train(chosen.per_role)
    tokenizer.save_pretrained(folder)
    print(json.dumps({"tokens": len(tokenizer), "folder": folder.name}))


if __name__ == "__main__":
    main()
