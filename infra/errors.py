"""Why an app cannot be made from these models and settings; each says what to do."""


class InfraError(Exception):
    """Base of what keeps the app from being synthesised."""


class SettingsRefused(InfraError):
    """A stage's settings contradict each other or a limit of AWS."""


class ModelRefused(InfraError):
    """A model cannot be deployed as its manifest says."""


class NotBuilt(InfraError):
    """Something that the toolchain makes is not there."""
