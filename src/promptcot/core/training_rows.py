"""Training rows for a generator: `prompt` and `completion`, from rows that were annotated, explained or accepted.

A row with a `completion` comes from `explain` or `generate` and has its own `prompt`. A row with only `rationale` and
`problem`, as in public annotated files, or with the blocks of another domain, gets a prompt from its concepts and
level. Of a completion only the blocks with their markers are kept. Judges decide which rows are good enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from promptcot.core.parsing.blocks import PLAIN, Blocks, Unreadable, parse, render, shows_others
from promptcot.records import Row

_CARRIED = ("level", "annotator", "source")


def concepts_of(row: Row) -> list[str]:
    """The `foundational_concepts` of a row, or its `concepts`, as in public annotated files; empty if it has none."""
    concepts = row.get("foundational_concepts", row.get("concepts"))
    if isinstance(concepts, list) and all(isinstance(name, str) and name.strip() for name in concepts):
        return concepts
    return []


def level_of(row: Row) -> str | None:
    """The level of a row, if it has one."""
    level = row.get("level")
    return level if isinstance(level, str) and level.strip() else None


def generator_row(row: Row, render_prompt: Callable[[Sequence[str], str], str], blocks: Blocks = PLAIN) -> Row | str:
    """`id`, `prompt`, `completion`, `foundational_concepts`, `level`, and `annotator` and `source` if known.

    Or the reason why there is no such row: `no concepts`, `no level`, `no BLOCK`, `prompt for other blocks`, or
    `unreadable: ` and a reason of `core.parsing.blocks`.
    """
    concepts, level, found = concepts_of(row), level_of(row), _texts(row, blocks)
    if not concepts:
        return "no concepts"
    if level is None:
        return "no level"
    if isinstance(found, str):
        return found
    prompt = row.get("prompt") if isinstance(row.get("completion"), str) else None
    if not isinstance(prompt, str) or not prompt:
        prompt = render_prompt(concepts, level)
    if shows_others(prompt, blocks.names) is not None:
        return "prompt for other blocks"
    learned = {
        "id": row["id"],
        "prompt": prompt,
        "completion": render(found, blocks),
        "foundational_concepts": concepts,
    }
    return learned | {name: row[name] for name in _CARRIED if isinstance(row.get(name), str)}


def concept_row(learned: Row, blocks: Blocks = PLAIN) -> Row:
    """A row of a concepts file for `sample`, from a training row: `concepts`, `level`, `problem`, `source` if known."""
    texts = parse(learned["completion"], blocks=blocks)
    assert not isinstance(texts, Unreadable)  # the training row was made from the same blocks, so they can be parsed
    row = {"concepts": learned["foundational_concepts"], "level": learned["level"], "problem": texts[blocks.problem]}
    return row | ({"source": learned["source"]} if "source" in learned else {})


def _texts(row: Row, blocks: Blocks) -> dict[str, str] | str:
    """The blocks of the completion, or the row's own; or the reason why there are none."""
    text = row.get("completion")
    if not isinstance(text, str):
        own = {name: row.get(name) for name in blocks.names}
        own[blocks.problem] = own[blocks.problem] or row.get("problem")
        for name, block in own.items():
            if not isinstance(block, str) or not block.strip():
                return f"no {name}"
        text = render({name: str(block) for name, block in own.items()}, blocks)
    texts = parse(text, blocks=blocks)
    return f"unreadable: {texts.reason}" if isinstance(texts, Unreadable) else texts
