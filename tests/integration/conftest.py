"""Fixtures that several modules share; a fixture that is imported by each of them would be made for each of them."""

from tests.integration.vllm_servers import vllm_server, vllm_url

__all__ = ["vllm_server", "vllm_url"]
