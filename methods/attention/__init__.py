"""Maps of what a transformer's tokens look at, from its own attention matrices."""

from . import attention_relevance, attention_rollout

__all__ = ["attention_relevance", "attention_rollout"]
