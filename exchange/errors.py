"""What may go wrong while reading. A mutation never raises for an exchange or transport outcome."""


class ReadFailed(RuntimeError):
    """A read gave no trustworthy answer after its tries. Proves nothing about orders or positions.

    `code` is OKX's code or a transport word; the text never holds credentials.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class CredentialsMissing(RuntimeError):
    """The key file of the paper account is absent or unreadable; the text names the file and the mend."""
