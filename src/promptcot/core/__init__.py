"""Pure decisions of the pipeline: no network, clock, asyncio or torch."""
