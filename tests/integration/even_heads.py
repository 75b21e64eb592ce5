"""An embedded model whose attention can be divided: five heads cannot be, so it gets three more that add nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch.nn.functional import pad

from promptcot import nano

HEADS = 8


def even_heads(role: str, folder: Path) -> Path:
    """The model of a role with eight heads in `folder`, which it makes; its replies are those of the embedded one."""
    shutil.copytree(nano.path(role), folder)
    config = json.loads((folder / "config.json").read_bytes())
    more = (HEADS - config["num_attention_heads"]) * config["head_dim"]
    changed = {"num_attention_heads": HEADS, "num_key_value_heads": HEADS}
    (folder / "config.json").write_text(json.dumps({**config, **changed}))
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if ".self_attn." in name:
            weights[name] = pad(weight, (0, more, 0, 0) if "o_proj" in name else (0, 0, 0, more)).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
