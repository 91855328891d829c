"""Commands that work when they are pasted, for the models there are."""

from modelet.local.fleet import Fleet


def commands(fleet: Fleet, url: str) -> list[str]:
    """Three commands to try the service with."""
    return [f"curl {url}/v2/models", f"curl {url}/v2", f"curl {url}/v2/health/ready"]
