"""Pictures from a camera: picamera2 on a Raspberry Pi, else OpenCV, whichever is installed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Camera", "CameraError", "frames_per_second", "open_camera"]

Array = np.ndarray[Any, Any]
SIZE = (640, 480)
SETTLED = 0.9
"""What the frame rate keeps of its past at each frame."""


class CameraError(Exception):
    """There is no camera, or it gives no pictures; one line."""


class Camera:
    """A camera that `picamera2` or `cv2` drives; pictures are uint8 RGB `[H, W, 3]`."""

    def __init__(self, name: str, module: Any, number: int = 0) -> None:
        self.name = name
        self._module = module
        if name == "picamera2":
            try:
                self._camera = module.Picamera2(number)
            except (IndexError, RuntimeError) as error:
                raise CameraError(f"no camera {number} ({error}); is its cable in?") from None
            # What libcamera calls BGR888 has red first in memory.
            wanted = {"format": "BGR888", "size": SIZE}
            self._camera.configure(self._camera.create_preview_configuration(main=wanted))
            self._camera.start()
        else:
            self._camera = module.VideoCapture(number)
            if not self._camera.isOpened():
                raise CameraError(f"no camera {number} (OpenCV cannot open it); is it plugged in?")

    def picture(self) -> Array:
        """The next picture."""
        if self.name == "picamera2":
            return np.ascontiguousarray(self._camera.capture_array("main")[..., :3])
        good, picture = self._camera.read()
        if not good:
            raise CameraError("the camera gives no more pictures")
        return np.ascontiguousarray(picture[..., ::-1])

    def close(self) -> None:
        """Give the camera back."""
        if self.name == "picamera2":
            self._camera.stop()
            self._camera.close()
        else:
            self._camera.release()


def open_camera(number: int = 0) -> Camera:
    """The camera of that number by the first library that is there; CameraError without one."""
    for name in ("picamera2", "cv2"):
        try:
            return Camera(name, importlib.import_module(name), number)
        except ImportError:
            continue
    raise CameraError(
        "neither picamera2 nor OpenCV is installed (apt install python3-picamera2, or pip install "
        "opencv-python-headless)"
    )


def frames_per_second() -> Iterator[float]:
    """The rate at which it is asked, smoothed; 0 at first."""
    last, rate = time.monotonic(), 0.0
    yield rate
    while True:
        now = time.monotonic()
        current = 1.0 / max(now - last, 1e-9)
        rate = current if rate == 0 else SETTLED * rate + (1 - SETTLED) * current
        last = now
        yield rate
