"""Downloads files of a benchmark from the Hugging Face Hub, at a pinned revision, and only for a benchmark named by the
user.

The Hub's own client caches downloads, respects `HF_HUB_OFFLINE=1` and reads its token from the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from promptcot.errors import InputError
from promptcot.evaluation.registry import HubFiles


def fetch(name: str, hub: HubFiles) -> list[Path]:
    """Local paths of a benchmark's files, downloaded unless cached. Raises InputError."""
    client = _client(name)
    return [_fetch_one(client, name, hub, file) for file in hub.files]


def is_cached(hub: HubFiles) -> bool:
    """Whether all files of a benchmark are in the Hub's cache on this machine; does not use the network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    where = {"repo_id": hub.repository, "revision": hub.revision, "repo_type": "dataset"}
    return all(isinstance(try_to_load_from_cache(filename=file, **where), str) for file in hub.files)


def download_command(hub: HubFiles) -> str:
    """The command line that downloads the files of a benchmark into the cache."""
    return f"hf download {hub.repository} {' '.join(hub.files)} --repo-type dataset --revision {hub.revision}"


def _client(name: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(
            f"the benchmark {name!r} comes from the Hugging Face Hub, which needs: pip install 'promptcot[hub]'; "
            "or give the path of a file instead of the name"
        ) from error
    return huggingface_hub


def _fetch_one(client: Any, name: str, hub: HubFiles, file: str) -> Path:
    try:
        return Path(
            client.hf_hub_download(repo_id=hub.repository, filename=file, revision=hub.revision, repo_type="dataset")
        )
    except (OSError, ValueError, client.errors.EntryNotFoundError) as error:  # its other errors are OSErrors
        short = str(error).strip().partition("\n")[0].rstrip(".")
        place = f"{hub.repository}, {file}, revision {hub.revision[:8]}"
        raise InputError(
            f"the benchmark {name!r} could not be fetched ({place}): {short}. "
            "Without a network, or with HF_HUB_OFFLINE=1, it must be in the Hub's cache; or give the path of a file"
        ) from error
