"""What a model in training can do already: writes some texts and compares them with the truth.

A rough reading for the log of a training; the checker in `promptcot.nano` measures what is shipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nano.texts import Example, example

FRESH = 1_000_003  # a seed that no training uses
_PARTS = re.compile(
    r"<!-- BEGIN RATIONALE -->\n(.+)\n<!-- END RATIONALE -->\n<!-- BEGIN PROBLEM -->\n(.+)\n<!-- END PROBLEM -->", re.S
)
_LIST = re.compile(r'```python\n\["[^"]+"(?:, "[^"]+"){1,2}\]\n```')
_BOXED = re.compile(r"\\boxed\{(\d+)\}")


def check(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, role: str, count: int) -> dict[str, float]:
    """Shares (0 to 1) that tell how far a model of `role` has come, from `count` fresh examples."""
    examples = [example(role, FRESH, index) for index in range(count)]
    temperature = 1.0 if role == "generator" else 0.0
    written = complete(model, tokenizer, [one.prompt for one in examples], temperature)
    return _READINGS[role](examples, written)


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
    parsed = [match for text in written if (match := _PARTS.fullmatch(text))]
    numbers = [(_numbers(re.sub(r"Step \d|asks for \d", "", m[1])), _numbers(m[2])) for m in parsed]
    plan = [re.sub(r"[^:]*: ", "", m[1]) for m in parsed]
    names = [re.findall(r"\b[AMRBNS]\b(?! bag)", m[1]) == re.findall(r"\b[AMRBNS]\b(?! bag)", m[2]) for m in parsed]
    return {
        "parsed": round(len(parsed) / len(written), 3),
        "numbers_known": _share([set(problem) <= set(rationale) for rationale, problem in numbers]),
        "numbers_same": _share([problem == rationale[-len(problem) :] for rationale, problem in numbers]),
        "names_same": _share(names),
        "distinct": round(len(set(plan)) / max(len(plan), 1), 3),
    }


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text.replace("AMC12", ""))


def _solver(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    right: dict[int, list[bool]] = {1: [], 2: [], 3: []}
    for one, text in zip(examples, written, strict=True):
        steps = one.completion.count("\nStep ")
        right[steps].append(_BOXED.findall(text)[-1:] == _BOXED.findall(one.completion))
    shares = {f"steps_{steps}": _share(hits) for steps, hits in right.items()}
    return {"right": _share([hit for hits in right.values() for hit in hits]), **shares}


def _annotator(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    """Of the rationales, how many are the true one to the letter; of the lists, how many can be read."""
    lists = [text for one, text in zip(examples, written, strict=True) if one.completion.startswith("```")]
    told = [one.completion == text for one, text in zip(examples, written, strict=True) if text not in lists]
    return {"lists": _share([bool(_LIST.fullmatch(text)) for text in lists]), "rationales": _share(told)}


def _judge(examples: Sequence[Example], written: Sequence[str]) -> dict[str, float]:
    pairs = [(one.completion.splitlines(), text.splitlines()) for one, text in zip(examples, written, strict=True)]
    return {
        "equal": _share([truth == text for truth, text in pairs]),
        "ratings": _share([truth[-6:] == text[-6:] for truth, text in pairs]),
        "verdict": _share([truth[-1:] == text[-1:] for truth, text in pairs]),
        **{
            line.split(":")[0].split()[0].lower(): _share([t[-6:][i] in x for t, x in pairs])
            for i, line in enumerate(pairs[0][0][-6:-1])
        },
    }


_READINGS: dict[str, Callable[[Sequence[Example], Sequence[str]], dict[str, float]]] = {
    "annotator": _annotator,
    "generator": _generator,
    "judge-a": _judge,
    "judge-b": _judge,
    "solver": _solver,
}
