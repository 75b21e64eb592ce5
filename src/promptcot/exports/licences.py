"""What the licences of models say about using their outputs: facts with their sources, for listed models only.

Models are matched by their full name on the Hub: a server may use a shorter name for any model, and a folder may hold
anything. The licence of a model that is not listed is unknown. The texts of the licences were read in 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HUB = "https://huggingface.co"
_LLAMA = (
    "may be used to improve other models; one that is distributed has a name that begins with `Llama` (section 1.b.i). "
    "Software that contains the model itself shows “Built with Llama”"
)
_LLAMA_CLOSED = "may not be used to improve other large language models than Llama's (section 1.b.v)"
_QWEN = (
    "may be used to train other models; one that is distributed shows “Built with Qwen” or “Improved using Qwen” in "
    "its documentation"
)
_FREE = "the licence sets no condition on outputs"


@dataclass(frozen=True, slots=True)
class Licence:
    """The licence of a model: its name, what it says about outputs, and where to read it."""

    name: str
    outputs: str
    source: str


def _llama(version: str) -> Licence:
    folder = f"models/llama{version.replace('.', '_')}/LICENSE"
    source = f"https://github.com/meta-llama/llama-models/blob/main/{folder}"
    return Licence(f"Llama {version} Community License", _LLAMA if "." in version else _LLAMA_CLOSED, source)


_APACHE = Licence("Apache 2.0", _FREE, "https://www.apache.org/licenses/LICENSE-2.0")
_R1 = Licence(
    "MIT", "the model's card allows distillation for training other models by name", f"{_HUB}/deepseek-ai/DeepSeek-R1"
)
_KNOWN: tuple[tuple[str, Licence], ...] = (
    (r"nano(:[a-z-]+)?", Licence("MIT, with promptcot", _FREE, "the licence of this package")),
    (r"meta-llama/(Meta-)?Llama-3\.1-\d+B(-Instruct)?", _llama("3.1")),
    (r"meta-llama/Llama-3\.2-[13]B(-Instruct)?", _llama("3.2")),
    (r"meta-llama/Llama-3\.3-70B-Instruct", _llama("3.3")),
    (r"meta-llama/Meta-Llama-3-\d+B(-Instruct)?", _llama("3")),
    (r"meta-llama/Llama-2-\d+b(-chat)?(-hf)?", _llama("2")),
    (
        r"Qwen/Qwen2\.5-72B(-Instruct)?",
        Licence("Qwen License Agreement", _QWEN, f"{_HUB}/Qwen/Qwen2.5-72B-Instruct/blob/main/LICENSE"),
    ),
    (
        r"Qwen/Qwen2\.5-3B(-Instruct)?",
        Licence(
            "Qwen Research License Agreement",
            f"the model is for research and evaluation, not for commercial use; its outputs {_QWEN}",
            f"{_HUB}/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE",
        ),
    ),
    (r"Qwen/Qwen2\.5-(0\.5|1\.5|7|14|32)B(-Instruct)?", _APACHE),
    (r"Qwen/QwQ-32B", _APACHE),
    (r"Qwen/Qwen3-(0\.6B|1\.7B|4B|8B|14B|32B|30B-A3B|235B-A22B)", _APACHE),
    (r"deepseek-ai/DeepSeek-R1(-Zero|-0528)?", _R1),
    (r"deepseek-ai/DeepSeek-R1-Distill-Qwen-(1\.5|7|14|32)B", _R1),
    (r"deepseek-ai/DeepSeek-R1-Distill-Llama-8B", _llama("3.1")),
    (r"deepseek-ai/DeepSeek-R1-Distill-Llama-70B", _llama("3.3")),
)


def licence_of(model: str) -> Licence | None:
    """The licence of a model by its name on the Hub, or of an embedded one; None if unknown."""
    return next((licence for pattern, licence in _KNOWN if re.fullmatch(pattern, model)), None)
