"""The resources server for NeMo Gym, which posts each rollout, as a response of OpenAI's Responses API, to `/verify`.

A gold that cannot be read gets 0; `reason` says so. docs/rewards.md has its app.py and its config.
"""

from typing import Any

from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)

from promptcot.rewards.scoring import ascore


class PromptCoTConfig(BaseResourcesServerConfig):  # type: ignore[misc]
    reward: dict[str, Any] = {}


class PromptCoTRequest(BaseVerifyRequest):  # type: ignore[misc]
    expected_answer: Any


class PromptCoTResponse(BaseVerifyResponse):  # type: ignore[misc]
    expected_answer: Any
    reason: str


class PromptCoTServer(SimpleResourcesServer):  # type: ignore[misc]
    config: PromptCoTConfig

    async def verify(self, body: PromptCoTRequest) -> PromptCoTResponse:
        """The rollout with its reward and the reason."""
        cut = body.response.status == "incomplete"
        one = await ascore(body.response.output, body.expected_answer, truncated=cut, **self.config.reward)
        # the fields as they are: the whole rollout need not be dumped and read again
        return PromptCoTResponse(**dict(body), reward=one.number, reason=one.reason)
