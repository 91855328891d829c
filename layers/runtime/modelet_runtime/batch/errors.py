"""What ends a whole run, as opposed to a row.

ModeletError
├── RunFailed                      the run is recorded as failed; trying again would not help
│   ├── InputGone                  the object was deleted or replaced before it was read
│   ├── InputRefused               not a form that the model takes, or broken
│   ├── InputTooLarge              a bomb: it would not fit into memory, whatever is done
│   ├── OptionsRefused             `.modelet.toml`, tags or settings are wrong
│   ├── TooManyFailures            more rows failed than the settings allow
│   └── GivenUp                    taken up several times, and never got further
└── RunCancelled                   somebody asked for it
"""

from modelet_runtime.errors import ModeletError


class RunFailed(ModeletError):
    """The run ends with a report that says why."""

    code = "run_failed"


class InputGone(RunFailed):
    """The object is not there any more."""

    status = 404
    code = "input_gone"


class InputRefused(RunFailed):
    """The input has no form that can be read, or not the one it claims."""

    status = 400
    code = "input_refused"


class InputTooLarge(RunFailed):
    """A row, a row group, a header or what they unpack to is over a limit."""

    status = 413
    code = "input_too_large"


class OptionsRefused(RunFailed):
    """An option is unknown or has a wrong value."""

    status = 400
    code = "options_refused"


class TooManyFailures(RunFailed):
    """More rows failed than the settings allow."""

    code = "too_many_failures"


class GivenUp(RunFailed):
    """A part was taken up several times without progress."""

    code = "given_up"


class RunCancelled(ModeletError):
    """Somebody asked the run to stop."""

    code = "cancelled"
