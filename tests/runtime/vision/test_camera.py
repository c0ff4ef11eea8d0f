"""Pictures from picamera2 and OpenCV, neither of which is here: modules that stand in for them."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from edgemnv2.runtime.vision.camera import CameraError, frames_per_second, open_camera

RED = np.zeros((4, 6, 3), np.uint8)
RED[..., 0] = 200


class Picamera2:
    """What libcamera calls BGR888 has red first in memory."""

    def __init__(self, number: int) -> None:
        if number:
            raise IndexError(number)
        self.calls: list[Any] = []

    def create_preview_configuration(self, main: Any) -> Any:
        return main

    def configure(self, wanted: Any) -> None:
        assert wanted["format"] == "BGR888"

    def start(self) -> None:
        self.calls.append("start")

    def capture_array(self, stream: str) -> Any:
        assert stream == "main"
        return RED

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


class VideoCapture:
    """Blue first; one picture, then none."""

    def __init__(self, number: int) -> None:
        self.number, self.left = number, 1

    def isOpened(self) -> bool:  # noqa: N802
        return self.number == 0

    def read(self) -> Any:
        self.left -= 1
        return (True, RED[..., ::-1]) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.left = -9


def stand_in(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    """Only these camera modules can be imported."""
    for name in ("picamera2", "cv2"):
        monkeypatch.setitem(sys.modules, name, modules.get(name))


PI = types.SimpleNamespace(Picamera2=Picamera2)
OPENCV = types.SimpleNamespace(VideoCapture=VideoCapture)


def test_picamera2_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, picamera2=PI, cv2=OPENCV)
    camera = open_camera()
    assert camera.name == "picamera2"
    np.testing.assert_array_equal(camera.picture(), RED)
    camera.close()
    assert camera._camera.calls == ["start", "stop", "close"]


def test_opencvs_colours_are_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, cv2=OPENCV)
    camera = open_camera()
    np.testing.assert_array_equal(camera.picture(), RED)
    with pytest.raises(CameraError, match="no more pictures"):
        camera.picture()
    camera.close()


def test_no_camera_and_no_module_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, cv2=OPENCV)
    with pytest.raises(CameraError, match="no camera 3"):
        open_camera(3)
    stand_in(monkeypatch, picamera2=PI)
    with pytest.raises(CameraError, match="no camera 1"):
        open_camera(1)
    stand_in(monkeypatch)
    with pytest.raises(CameraError, match="neither picamera2 nor OpenCV"):
        open_camera()


def test_the_frame_rate_is_that_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("edgemnv2.runtime.vision.camera.time.monotonic", lambda: now[0])
    rates = frames_per_second()
    assert next(rates) == 0.0
    for _ in range(50):
        now[0] += 0.1
        rate = next(rates)
    assert rate == pytest.approx(10.0)
