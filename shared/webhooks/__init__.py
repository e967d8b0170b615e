"""Who sent a webhook: `signatures` knows how senders prove it, `checks` is for workflows that ask by themselves."""

from shared.webhooks.checks import verify_github, verify_stripe

__all__ = ["verify_github", "verify_stripe"]
