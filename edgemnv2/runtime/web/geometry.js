// Where a picture of any size lies in the network's input, and the way back: the twin of
// vision/geometry.py.

export const BAR = 128;

export function placed(width, height, window, fit) {
  const [wide, high] = window;
  if ((width === wide && height === high) || fit === "stretch") {
    return placement(width, height, window, window, 0, 0);
  }
  const sides = [high / height, wide / width];
  const scale = fit === "letterbox" ? Math.min(...sides) : Math.max(...sides) * (256 / 224);
  const resized = [width, height].map((side) => Math.max(1, roundEven(side * scale)));
  // Halves are dropped towards zero.
  const [left, top] = resized.map((side, i) => Math.trunc((side - window[i]) / 2));
  return placement(width, height, resized, window, left, top);
}

// As Python rounds: halves to even.
export function roundEven(value) {
  const floor = Math.floor(value);
  const part = value - floor;
  if (part !== 0.5) return part < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function placement(width, height, resized, window, left, top) {
  const toPicture = (y, x) => [
    ((y * window[1] + top) / resized[1]) * height,
    ((x * window[0] + left) / resized[0]) * width,
  ];
  const inside = (value, end) => Math.min(Math.max(value, 0), end);
  const boxToPicture = ([t, l, b, r]) => {
    const [y0, x0] = toPicture(t, l);
    const [y1, x1] = toPicture(b, r);
    return [inside(y0, height), inside(x0, width), inside(y1, height), inside(x1, width)];
  };
  return { width, height, resized, window, left, top, toPicture, boxToPicture };
}
