"""Checks the file format of a model's weights: only safetensors is accepted.

The other common formats (`pytorch_model.bin`, `*.pt`, `*.pth`) are pickles, and loading a pickle can run any code in
it. Decides which files are missing and how this is reported; engines and training decide when to refuse. Nothing is
loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.errors import EngineUnusable

_OTHERS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.gguf", "*.h5", "*.msgpack")
_ADAPTER = "adapter_model"
_WAY_OUT = (
    "if you trust their source, convert them once: "
    "transformers.AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER) writes safetensors"
)
_ADAPTER_WAY_OUT = "if you trust its source, convert it once: peft's save_pretrained writes safetensors"


def check_weights(folder: Path) -> None:
    """Raises EngineUnusable for a model's folder whose weights, or whose adapter, are not in safetensors."""
    if fault := weights_fault(folder) or adapter_fault(folder):
        raise EngineUnusable(": ".join(fault), "weights")


def weights_fault(folder: Path) -> tuple[str, str] | None:
    """What is wrong with the weights in a model's folder, and the remedy; None if they are in safetensors."""
    if any(folder.glob("*.safetensors")):
        return None
    hint = f" (but {', '.join(others[:3])})" if (others := [*_other_files(folder)]) else ""
    way_out = _WAY_OUT if others else "give the folder of a whole model"
    return f"{folder}: holds no *.safetensors; weights are read from no other format{hint}", way_out


def adapter_fault(folder: Path) -> tuple[str, str] | None:
    """What is wrong with the adapter (LoRA) in a folder, and the remedy; None without one, or in safetensors."""
    pickles = [name for suffix in ("bin", "pt") if (folder / (name := f"{_ADAPTER}.{suffix}")).exists()]
    if not pickles or (folder / f"{_ADAPTER}.safetensors").exists():
        return None
    return f"{folder}: {pickles[0]} is an adapter that is not in safetensors", _ADAPTER_WAY_OUT


def _other_files(folder: Path) -> Iterator[str]:
    """The names of files with weights in other formats, by their suffixes."""
    yield from sorted({path.name for pattern in _OTHERS for path in folder.glob(pattern)})
