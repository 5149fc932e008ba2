"""Maps of what a transformer's tokens look at, from its own attention matrices."""

from . import attention_bidirectional, attention_relevance, attention_rollout, attention_transition

__all__ = ["attention_bidirectional", "attention_relevance", "attention_rollout", "attention_transition"]
