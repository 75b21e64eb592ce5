"""Supervised fine-tuning of a model on rows of prompt and completion: a thin layer over TRL, Accelerate and DeepSpeed.

The way of the data: `recipe` says what to do; `rows` reads prompts and completions; `tokens` turns them into ids, once;
`packing` decides which rows share a sequence; `collating` makes tensors of it; `trainer` takes the steps; `checkpoints`
says where to go on; `watching` shows the work; `saving` writes the folder that comes out. `estimate` computes time and
memory beforehand, without torch. `methods` has what is particular to a method; `run` wires all of it together, and
`python -m promptcot.training RECIPE` starts it.
"""
