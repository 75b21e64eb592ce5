"""What can be wrong with the sentences of a problem, each defect by name.

A defect takes sentences and gives others, or None where it has no place. Whether a problem suffers is decided by
whoever follows it (`solving`, `following`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from nano.holdout import allowed_chain, held_out_phrase
from nano.sentences import ASKING, NAMES, NAMING, Sentence
from nano.solving import walk

T = TypeVar("T")
Sentences = tuple[Sentence, ...]
Defect = Callable[[Sentences, random.Random], Sentences | None]


def swapped(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    """The items with another one at a place; no item moves."""
    return (*items[:place], item, *items[place + 1 :])


def with_operand(sentences: Sentences, place: int, slot: str, text: str) -> Sentences:
    """The sentences with another text in one slot; "" leaves the operand out."""
    sentence = sentences[place]
    return swapped(sentences, place, replace(sentence, shown={**sentence.shown, slot: text}))


def literals(sentences: Sentences) -> list[tuple[int, str]]:
    """The places and slots of all literals."""
    return [
        (place, slot)
        for place, sentence in enumerate(sentences)
        for slot, text in sentence.shown.items()
        if text.isdigit()
    ]


def another_number(number: int, rng: random.Random) -> int:
    """A number that is easily taken for this one: one digit differs, or it is close by."""
    digits = str(number)
    place = rng.randrange(len(digits))
    changed = int(digits[:place] + rng.choice("123456789") + digits[place + 1 :])
    return rng.choice([n for n in (changed, number + 1, number - 1, number + 10, number - 2) if n > 0 and n != number])


def changed(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """A literal becomes another that is easily taken for it; the problem may have an answer all the same."""
    if not (places := literals(sentences)):
        return None
    place, slot = rng.choice(places)
    return with_operand(sentences, place, slot, str(another_number(int(sentences[place].shown[slot]), rng)))


def zero(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """A literal becomes 0, which no operand may be."""
    if not (places := literals(sentences)):
        return None
    return with_operand(sentences, *rng.choice(places), "0")


def dropped_operand(sentences: Sentences, rng: random.Random) -> Sentences:
    """A slot is empty, be it of a literal or of a name; the words around it stay."""
    place = rng.randrange(len(sentences))
    return with_operand(sentences, place, rng.choice(tuple(sentences[place].shown)), "")


def dropped_sentence(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """A step is missing, be it the question; the only sentence of a problem is never dropped."""
    if len(sentences) < 2:
        return None
    place = rng.randrange(len(sentences))
    return sentences[:place] + sentences[place + 1 :]


def dropped(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """An operand or a sentence is missing, with equal chance; None where that sentence would be the only one."""
    return rng.choice((dropped_operand, dropped_sentence))(sentences, rng)


def renamed(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """Another name where a value is defined or used, or a literal where a name should stand."""
    if len(sentences) < 2:
        return None
    place = rng.randrange(1, len(sentences))
    used = sentences[place]
    slot = next((slot for slot, text in used.shown.items() if not text.isdigit()), None)
    letters = list("".join(NAMES))
    if slot is None or rng.random() < 0.4:
        named = sentences[place - 1]
        others = [letter for letter in letters if letter != named.name]
        return swapped(sentences, place - 1, replace(named, name=rng.choice(others)))
    if rng.random() < 0.2:
        other = rng.choice([other for other in used.shown if other != slot])
        return with_operand(with_operand(sentences, place, other, used.shown[slot]), place, slot, used.shown[other])
    others = [letter for letter in letters if letter != used.shown[slot]]
    return with_operand(sentences, place, slot, rng.choice(others))


def unlinked(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """A literal in the place of a name."""
    names = [(p, slot) for p, s in enumerate(sentences) for slot, text in s.shown.items() if text.isalpha()]
    return with_operand(sentences, *rng.choice(names), str(rng.randint(1, 150))) if names else None


def question(sentences: Sentences, rng: random.Random) -> Sentences:
    """No question, one too early, or one too many."""
    last = len(sentences) - 1
    kind = rng.randrange(3)
    if kind == 0 and last < len(NAMES):
        naming = replace(sentences[last], name=rng.choice(NAMES[last]), framing=rng.randrange(len(NAMING)))
        return swapped(sentences, last, naming)
    if kind == 1 and last:
        place = rng.randrange(last)
        return swapped(sentences, place, replace(sentences[place], name="", framing=rng.randrange(len(ASKING))))
    again = rng.choice(sentences)
    return (*sentences, replace(again, framing=rng.randrange(len(NAMING if again.name else ASKING))))


def spoilt(sentences: Sentences, rng: random.Random) -> Sentences | None:
    """One step asks for a number that does not exist; only for a step whose operands are all known."""
    place = rng.randrange(len(sentences))
    sentence = sentences[place]
    values = walk(sentences).values
    if sentence.family is None or len(values) < place:
        return None
    before = values[place - 1] if place else 0
    operands = {slot: int(text) if text.isdigit() else before for slot, text in sentence.shown.items()}
    found = sentence.family.spoil(operands, rng)
    if found is None:
        return None
    shown = {slot: str(found[slot]) if text.isdigit() else text for slot, text in sentence.shown.items()}
    return swapped(sentences, place, replace(sentence, shown=shown))


DEFECTS: dict[str, Defect] = {
    "constraint": spoilt,
    "changed": changed,
    "dropped": dropped,
    "renamed": renamed,
    "unlinked": unlinked,
    "question": question,
    "zero": zero,
}


def allowed(sentences: Sequence[Sentence]) -> bool:
    """Whether training may see the chain and the literal phrases of these sentences."""
    families = tuple(sentence.family.key for sentence in sentences if sentence.family)
    literal = [sentence.phrase for sentence in sentences if all(map(str.isdigit, sentence.shown.values()))]
    return allowed_chain(families) and not any(map(held_out_phrase, literal))
