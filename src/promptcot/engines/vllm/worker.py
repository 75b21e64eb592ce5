"""A program: the part of a vLLM server on a machine after the first, as `vllm serve --headless` starts it.

It is run by its path, as the `vllm` script cannot be in the CPU build (see `options`).
"""

from __future__ import annotations

from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

if __name__ == "__main__":
    ServeSubcommand.cmd(make_arg_parser(FlexibleArgumentParser()).parse_args())
