"""What a model in training can do already: writes some texts and compares them with the truth.

A rough reading for the log of a training, on few texts; `promptcot nano check` measures what is shipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nano.material import read_material
from nano.texts import DENSE_UNTIL, Example, example
from promptcot.nano import Solution
from promptcot.nano import check as solve

FRESH = 1_000_003
"""A seed that no training uses."""
COUNT = 128
_BEST = ("Final Judgement: perfect", "Final Verdict: valid")
_VERDICT = re.compile(r"Final (Judgement|Verdict): \w")
_LIST = re.compile(r'```python\n\["[^"]+"(?:, "[^"]+"){1,2}\]\n```')


def check(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: str, count: int = COUNT
) -> dict[str, float]:
    """Shares (0 to 1) that tell how far a model that learns `texts` has come, from `count` fresh texts of its role."""
    examples = fresh(texts, count)
    temperature = 0.7 if texts.startswith("generator") else 0.0
    written = complete(model, tokenizer, [one.prompt for one in examples], temperature)
    return _READINGS[texts.split("-")[0]](examples, written)


def fresh(texts: str, count: int = COUNT) -> list[Example]:
    """Texts of a role that no training has seen, like the late ones: early ones of judges have more that is wrong."""
    return [example(texts, FRESH, DENSE_UNTIL + index) for index in range(count)]


@torch.inference_mode()
def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    temperature: float,
    longest: int = 420,
    seed: int = 0,
) -> list[str]:
    """Completions of `prompts`, sampled with an own generator; temperature 0 takes the likeliest token."""
    device = model.device
    generator = torch.Generator(device).manual_seed(seed)
    ids = [tokenizer.encode(prompt, add_special_tokens=False) for prompt in prompts]
    width = max(map(len, ids))
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    tokens = torch.tensor([[pad] * (width - len(one)) + one for one in ids], device=device)
    mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in ids], device=device)
    written, cache, positions = [], None, (mask.cumsum(1) - 1).clamp(min=0)
    done = torch.zeros(len(ids), dtype=torch.bool, device=device)
    for _ in range(longest):
        output = model(
            tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        cache = output.past_key_values
        chosen = _choose(output.logits[:, -1].float(), temperature, generator).masked_fill(done, end)
        written.append(chosen)
        done |= chosen == end
        if bool(done.all()):
            break
        tokens, positions = chosen[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
    columns = torch.stack(written, dim=1).tolist()
    return [tokenizer.decode(row[: row.index(end)] if end in row else row) for row in columns]


def _choose(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(dim=-1)
    return torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)[:, 0]


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / max(len(hits), 1), 3)


def _generator(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    """Of all texts, how many have both blocks, and how many a well-posed problem; how many of those have the level."""
    read = [read_material(text) for text in written]
    problems = [material.problem if material.well_marked else None for material in read]
    solved = [solve(problem) if problem else None for problem in problems]
    posed = [(one, solution) for one, solution in zip(examples, solved, strict=True) if isinstance(solution, Solution)]
    return {
        "parsed": _share([bool(problem) for problem in problems]),
        "well_posed": round(len(posed) / len(written), 3),
        "level": _share([f"Level: {solution.level}\n" in one.prompt for one, solution in posed]),
        "distinct": round(len(set(filter(None, problems))) / len(written), 3),
    }


def _solver(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    """How many final lines, answers and refusals, are the true ones; in all and by number of steps."""
    hits = [
        (one, one.completion.splitlines()[-1:] == text.splitlines()[-1:])
        for one, text in zip(examples, written, strict=True)
    ]
    refused = [hit for one, hit in hits if "\\boxed" not in one.completion]
    shares = {
        f"steps_{n}": _share(
            [hit for one, hit in hits if "\\boxed" in one.completion and one.completion.count("Step ") == n]
        )
        for n in (1, 2, 3)
    }
    return {"right": _share([hit for _, hit in hits]), "refused": _share(refused), **shares}


def _annotator(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    """Of the lists, how many can be read; of the rationales, how many are the true one to the letter."""
    pairs = list(zip(examples, written, strict=True))
    lists = [bool(_LIST.search(text)) for one, text in pairs if "```" in one.completion]
    rationales = [one.completion.strip() == text.strip() for one, text in pairs if "```" not in one.completion]
    return {"lists": _share(lists), "rationales": _share(rationales)}


def _verdicts(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    """How many verdicts are the best one where it is true, and another one where it is not; how many replies are equal.

    A reply without a verdict is wrong either way.
    """
    pairs = [(one.completion.splitlines(), text.splitlines()) for one, text in zip(examples, written, strict=True)]
    defects = [text[-1] if text else "" for truth, text in pairs if truth[-1] not in _BEST]
    return {
        "clean": _share([truth[-1:] == text[-1:] for truth, text in pairs if truth[-1] in _BEST]),
        "defect": _share([bool(_VERDICT.match(last)) and last not in _BEST for last in defects]),
        "equal": _share([truth == text for truth, text in pairs]),
    }


_READINGS: dict[str, Callable[[Sequence[Example], Sequence[str]], dict[str, float]]] = {
    "annotator": _annotator,
    "generator": _generator,
    "judge": _verdicts,
    "solver": _solver,
    "verifier": _verdicts,
}
