"""The one error that the sandbox raises for a wrong setting, switch, fault or control call."""


class SandboxError(Exception):
    """A declared thing was asked for in a way it does not know; the message says what it knows.

    `status` is the HTTP status with which the control API answers it.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
