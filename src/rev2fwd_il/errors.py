"""One exception root. Its message says what is wrong, what was expected, what was found and what to do."""


class Rev2FwdError(Exception):
    """Everything a user can cause or cure. Command lines print it without a traceback and exit with its status."""

    exit_status = 1

    def __init__(self, what: str, *, expected: object = None, found: object = None, do: str | None = None):
        lines = [what]
        if expected is not None:
            lines.append(f"  expected: {expected}")
        if found is not None:
            lines.append(f"  found:    {found}")
        if do is not None:
            lines.append(f"  do:       {do}")
        super().__init__("\n".join(lines))


class ConfigError(Rev2FwdError):
    """A configuration key or value that is not allowed."""


class DataError(Rev2FwdError):
    """A dataset that is missing, damaged or breaks the data contract."""


class CheckpointError(Rev2FwdError):
    """A checkpoint that is missing, incomplete or does not fit the data."""


class SimulationError(Rev2FwdError):
    """The simulator cannot start, or computed something it warns about."""


class EmptyRolloutError(DataError):
    """An alternating test that brought no successful attempt to train on."""


class IrreversibleTaskError(DataError):
    """A task whose reversed demonstrations do not do it when replayed."""

    exit_status = 3
