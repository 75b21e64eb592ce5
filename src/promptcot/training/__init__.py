"""Training of a model on rows: a thin layer over TRL, Accelerate and DeepSpeed.

The flow of data: `recipe` holds the settings; `rows` reads prompts and completions; `tokens` encodes them once;
`packing` decides which rows share a sequence; `collating` builds tensors; `trainer` runs the steps; `checkpoints`
decides where to resume; `watching` shows the progress; `saving` writes the model folder. `estimate` computes time and
memory in advance, without torch. `methods` has what is specific to a method; `run` connects the parts, and `python -m
promptcot.training RECIPE` starts it.
"""
