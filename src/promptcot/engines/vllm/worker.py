"""A program: the part of a multi-node vLLM server on all machines but the first, like `vllm serve --headless`.

It is run by its path, because the CPU build cannot use the `vllm` script (see `options`).
"""

from __future__ import annotations

from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

if __name__ == "__main__":
    ServeSubcommand.cmd(make_arg_parser(FlexibleArgumentParser()).parse_args())
