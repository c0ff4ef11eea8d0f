"""A development platform without packages: the compiler is the system's."""

from platformio.public import PlatformBase


class QemuPlatform(PlatformBase):
    pass
