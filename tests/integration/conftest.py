"""Fixtures that several modules share; a fixture that is imported by each of them would be made for each of them."""

from tests.integration.real_model import smollm
from tests.integration.set_recipe import kitchen, speaker
from tests.integration.vllm_servers import vllm_server, vllm_url

__all__ = ["kitchen", "smollm", "speaker", "vllm_server", "vllm_url"]
