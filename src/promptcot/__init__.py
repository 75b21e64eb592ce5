"""PromptCoT: hard, correct problems at any scale. The map of the package is in docs/architecture.md."""

__version__ = "0.1.0"
