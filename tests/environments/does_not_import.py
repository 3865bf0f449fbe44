"""A module that needs one which is not there."""

import no_such_simulator  # noqa: F401
