"""A seeded OpenAI-compatible server without a model, with latency and faults on demand, for tests and benchmarks.

    async with MockServer(MockOptions(rate_500=0.02)) as server:
        ...  # ask server.url, then look at server.stats()

Each reply is a pure function of the call and the seed, so two runs against it can be compared byte for byte. The
parts: `options` (the settings), `faults` (which call gets which fault), `replies` (the texts), `calls` (reading what a
client sends), `bodies` (the wire format of answers), `ledger` (the counts) and `app` (the server itself).
"""

from promptcot.mock_server.app import MockServer
from promptcot.mock_server.options import FAULTS, MockOptions

__all__ = ["FAULTS", "MockOptions", "MockServer"]
