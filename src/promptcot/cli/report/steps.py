"""The lines at the end of a run about steps without a model."""

from __future__ import annotations

from collections.abc import Iterator

from promptcot.cli.report.agreement import agreement_lines
from promptcot.cli.report.contamination import found_lines
from promptcot.cli.report.copies import copy_lines
from promptcot.cli.report.select import selection_lines
from promptcot.cli.report.validity import validity_lines
from promptcot.stages.decontaminate import Decontaminate
from promptcot.stages.dedup import Dedup
from promptcot.stages.filter import Filter
from promptcot.stages.labelled import Label
from promptcot.stages.protocol import Step
from promptcot.stages.review import REJECTED, Review
from promptcot.stages.select import Select
from promptcot.storage.outputs import Output


def lines_of(step: Step, output: Output) -> Iterator[str]:
    """The lines about a step with this output; none for a custom step."""
    if isinstance(step, Filter):
        yield from agreement_lines(step.agreements)
    elif isinstance(step, Dedup):
        yield from copy_lines(step.summary()["copies"], output.counts.rows_in, "dedup.mask_numbers = true")
    elif isinstance(step, Decontaminate):
        told = step.summary()["contamination"]
        if told["status"] != "decontaminated":
            yield "not decontaminated: no benchmark with real problems is available (summary.json, `contamination`)"
        yield from found_lines(told, output.path)
    elif isinstance(step, Label):
        yield from validity_lines(step.validity.summary().get("validity_by_agreement", {}))
        yield from step.notes
    elif isinstance(step, Review):
        yield f"review: {output.counts.dropped[REJECTED]:,} rejected by review"
    elif isinstance(step, Select):
        yield from selection_lines(step.summary().get("select", {}))
