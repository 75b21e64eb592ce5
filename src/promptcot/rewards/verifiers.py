"""The taskset for verifiers (Prime), built from the rows of a JSON Lines or Parquet file: see docs/rewards.md."""

import asyncio
from collections.abc import Iterator
from typing import Any

import verifiers.v1 as vf

from promptcot.rewards.scoring import ascore, flags, passes
from promptcot.storage.rows import read_rows


class PromptCoTData(vf.TaskData):  # type: ignore[misc]
    answer: Any


class PromptCoTTaskConfig(vf.TaskConfig):  # type: ignore[misc]
    reward: dict[str, Any] = {}


class PromptCoTTask(vf.Task[PromptCoTData, vf.State, PromptCoTTaskConfig]):  # type: ignore[misc]
    @vf.reward  # type: ignore[untyped-decorator]
    async def correct(self, trace: vf.Trace) -> float:
        one = await ascore(trace.last_reply, self.data.answer, truncated=trace.is_truncated, **self.config.reward)
        trace.record_metrics(flags(one))
        return one.number

    async def validate(self, runtime: vf.Runtime) -> bool:
        return await asyncio.to_thread(passes, self.data.answer, **self.config.reward)


class PromptCoTConfig(vf.TasksetConfig):  # type: ignore[misc]
    path: str = "train.jsonl"
    task: PromptCoTTaskConfig = PromptCoTTaskConfig()


class PromptCoTTaskset(vf.Taskset[PromptCoTTask, PromptCoTConfig]):  # type: ignore[misc]
    def load(self) -> Iterator[PromptCoTTask]:
        for place, row in enumerate(read_rows(self.config.path)):
            yield PromptCoTTask(PromptCoTData(idx=place, **{n: row[n] for n in ("prompt", "answer")}), self.config.task)
