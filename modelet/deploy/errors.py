"""Why a deployment is refused.

Refused
└── DeployRefused
    ├── NotReady          something on this machine or in the account is missing
    ├── ToolkitFailed     the CDK's CLI ran and failed
    ├── KeyRefused        an API key cannot be made or is not there
    └── AnswersDiffer     what was deployed does not answer the golden inputs as proven
"""

from modelet.errors import Refused


class DeployRefused(Refused):
    """Base of everything that keeps models from being deployed."""


class NotReady(DeployRefused):
    """Something that a deployment needs is not there."""


class ToolkitFailed(DeployRefused):
    """The CDK's CLI failed; its own output has been shown."""


class KeyRefused(DeployRefused):
    """An API key has a wrong id or scope, is there already, or is not there."""


class AnswersDiffer(DeployRefused):
    """A deployed model does not answer as its version was proven to."""
