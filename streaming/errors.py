"""The errors that someone handles differently, each with one sentence for a person."""


class HeadraceError(Exception):
    """Stops the command: its message goes to stderr as one sentence, and the exit code is 1."""


class WrongUsage(HeadraceError):
    """The command line asked for something that does not exist: exit code 2."""


class BadRecord(HeadraceError):
    """One record cannot be decoded or handled: it becomes a dead letter, and the stream goes on."""


class Fenced(HeadraceError):
    """Another trainer has claimed this learner: nothing more may be published from here."""


class Damaged(HeadraceError):
    """A stored object is not what was written (truncated, changed, or signed with another key)."""


class Unavailable(HeadraceError):
    """A server did not answer in time: worth another try."""
