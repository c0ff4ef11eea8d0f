// Answers drawn on the picture that they are about: the twin of vision/draw.py, on a canvas.

import { label } from "./decode.js";

const GOLDEN = 0.618033988749895;
const [LEAST_SIDE, LEAST_TEXT] = [480, 12];
const [SHADE, PAPER, INK] = ["rgb(16 18 22)", "rgb(255 255 255)", "rgb(12 12 14)"];
const [MASK_SHARE, SHOWN, LEGEND] = [0.55, 5, 12];

// Red, green and blue of a class: bright, and unlike those of its neighbours.
export function colour(index) {
  const hue = (0.08 + index * GOLDEN) % 1;
  const [saturation, value] = [0.72, 0.98];
  const sector = Math.floor(hue * 6);
  const part = hue * 6 - sector;
  const [p, q, t] = [1, part, 1 - part].map((x) => value * (1 - saturation * x));
  const all = [
    [value, t, p],
    [q, value, p],
    [p, value, t],
    [p, q, value],
    [t, p, value],
    [value, p, q],
  ];
  return all[sector % 6].map((x) => Math.round(x * 255));
}

// Dark, but on the few dark ones of the bright colours, where light words are read better.
function inkOn(hue) {
  const [red, green, blue] = hue.map((part) => (part / 255) ** 2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.2 ? INK : PAPER;
}

const css = (hue) => `rgb(${hue.join(" ")})`;
const percent = (x) => `${Math.round(x * 100)}%`;
const share = (x) => (x >= 0.005 ? percent(x) : "<1%");

// Draws `picture` (anything that a canvas draws) and the answer on `canvas`, which takes its size.
export function draw(canvas, picture, answer, task, place, note = "") {
  const times = Math.max(1, Math.ceil(LEAST_SIDE / Math.max(place.width, place.height)));
  const [width, height] = [place.width * times, place.height * times];
  // In a narrow page the canvas is shown smaller than it is; its words stay readable.
  const shrunk = width / (canvas.parentElement?.clientWidth || width);
  const usual = Math.max(LEAST_TEXT, Math.min(Math.round(Math.min(width, height) / 26), 40));
  const size = Math.max(usual, Math.round(LEAST_TEXT * shrunk));
  const bars =
    answer.kind !== "classifier"
      ? []
      : answer.classes.map((x) => [label(task, x.index), x.score, colour(x.index)]).slice(0, SHOWN);
  if (answer.kind === "classifier" && !bars.length) {
    bars.push(["nothing above the threshold", 0, [16, 18, 22]]);
  }
  const line = Math.round(size * 1.5);
  const panel = bars.length ? line * bars.length + 2 * Math.floor(size / 2) : 0;
  if (canvas.width !== width || canvas.height !== height + panel) {
    [canvas.width, canvas.height] = [width, height + panel];
  }
  const pen = canvas.getContext("2d");
  const page = { pen, task, place, times, width, height, size };
  page.stroke = Math.max(2, Math.round(Math.min(width, height) / 160));
  pen.font = `${size}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.imageSmoothingEnabled = times === 1;
  pen.drawImage(picture, 0, 0, width, height);
  if (answer.mask) drawMask(page, answer.mask);
  for (const found of [...answer.detections].reverse()) drawBox(page, found);
  for (const found of [...answer.centroids].reverse()) drawCentroid(page, found);
  drawTags(page, answer.detections, besideBox);
  drawTags(page, answer.centroids, besidePoint);
  if (bars.length) drawBars(page, bars, line);
  const empty = !answer.detections.length && !answer.centroids.length;
  if (["detector", "grid"].includes(answer.kind) && empty) corner(page, "nothing found", true);
  if (note) corner(page, note, false);
}

function drawBox(page, found) {
  const { pen, stroke } = page;
  const [left, top, right, bottom] = boxEnds(page, found);
  const hue = css(colour(found.index));
  for (const [shade, width] of [
    [INK, stroke + 2],
    [hue, stroke],
  ]) {
    pen.strokeStyle = shade;
    pen.lineWidth = width;
    pen.strokeRect(left, top, right - left, bottom - top);
  }
}

function drawCentroid(page, found) {
  const { pen, stroke } = page;
  const [y, x, radius] = pointEnds(page, found);
  const hue = css(colour(found.index));
  for (const [shade, width] of [
    [INK, stroke + 2],
    [hue, stroke],
  ]) {
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.strokeStyle = shade;
    pen.lineWidth = width;
    pen.stroke();
  }
  pen.beginPath();
  pen.arc(x, y, stroke * 1.2, 0, 2 * Math.PI);
  pen.fillStyle = hue;
  pen.fill();
}

// Left, top, right and bottom of a box on the page; never of no size.
function boxEnds({ place, times }, found) {
  const ends = [found.top, found.left, found.bottom, found.right];
  const [top, left, bottom, right] = place.boxToPicture(ends).map((x) => x * times);
  return [left, top, Math.max(right, left + 1), Math.max(bottom, top + 1)];
}

// Y and x of a centroid on the page, and the radius of its ring.
function pointEnds({ place, times, size }, found) {
  const [y, x] = place.toPicture(found.y, found.x).map((v) => v * times);
  return [y, x, size * 0.75];
}

// The class and score of each, best first, where no better one has its own already.
function drawTags({ pen, task, width, height, size, ...rest }, answers, beside) {
  const [pad, high] = [Math.max(2, Math.floor(size / 6)), size * 1.25];
  const taken = [];
  for (const found of answers) {
    const words = `${label(task, found.index)}: ${percent(found.score)}`;
    const wide = pen.measureText(words).width + 2 * pad;
    const asked = beside({ size, ...rest }, found, wide, high);
    const across = (x) => Math.max(0, Math.min(x, width - wide));
    const down = (y) => Math.max(0, Math.min(y, height - high));
    // Those that fit as they are first: one that is moved may cover what it is about.
    const inside = asked.filter(([, y]) => y === down(y));
    const places = inside.length
      ? [...inside.filter(([x]) => x === across(x)), ...inside.map(([x, y]) => [across(x), y])]
      : asked.map(([x, y]) => [across(x), down(y)]);
    const meets = ([x, y]) =>
      taken.some((t) => x < t.x + t.wide && t.x < x + wide && Math.abs(y - t.y) < high);
    const [x, y] = places.find((place) => !meets(place)) || places[0];
    taken.push({ words, x, y, wide, hue: colour(found.index) });
  }
  // Where two lie on one another all the same, the better one is on top.
  for (const { words, x, y, wide, hue } of taken.reverse()) {
    pen.fillStyle = css(hue);
    pen.fillRect(x, y, wide, high);
    text(pen, words, x + pad, y + high / 2, inkOn(hue));
  }
}

// Left and top of a plate at a box: where it is looked for first, first.
function besideBox(page, found, wide, high) {
  const [left, top, right, bottom] = boxEnds(page, found);
  return [
    [left, top - high],
    [left, top],
    [left, bottom],
    [left, bottom - high],
    [right - wide, top - high],
    [right - wide, bottom],
  ];
}

// The same at a centroid.
function besidePoint(page, found, wide, high) {
  const [y, x, radius] = pointEnds(page, found);
  const [right, left, middle] = [x + radius + 2, x - radius - 2 - wide, x - wide / 2];
  return [
    [right, y - high],
    [right, y],
    [left, y - high],
    [left, y],
    [middle, y + radius + 2],
    [middle, y - radius - 2 - high],
  ];
}

function drawMask(page, { classes, width, height }) {
  const { pen, task, place } = page;
  const name = (task.labels[0] || "background").toLowerCase();
  const plain = ["", "0", "background", "???"].includes(name);
  const counts = new Map();
  const cover = new ImageData(width, height);
  const shades = new Map();
  classes.forEach((index, i) => {
    counts.set(index, (counts.get(index) || 0) + 1);
    if (!shades.has(index)) {
      const alpha = index === 0 && plain ? 0 : Math.round(255 * MASK_SHARE);
      shades.set(index, [...colour(index), alpha]);
    }
    cover.data.set(shades.get(index), 4 * i);
  });
  const layer = document.createElement("canvas");
  [layer.width, layer.height] = [width, height];
  layer.getContext("2d").putImageData(cover, 0, 0);
  // The window of the network on the resized picture, at the size that is shown.
  const [across, down] = [page.width / place.resized[0], page.height / place.resized[1]];
  pen.imageSmoothingEnabled = false;
  const [wide, high] = [place.window[0] * across, place.window[1] * down];
  pen.drawImage(layer, place.left * across, place.top * down, wide, high);
  const shares = [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0]);
  const rows = shares
    .filter(([index]) => !(plain && index === 0))
    .map(([index, n]) => [label(task, index), share(n / classes.length), colour(index)]);
  legend(page, rows.length ? rows.slice(0, LEGEND) : [["background alone", "", [16, 18, 22]]]);
}

function drawBars({ pen, width, height, size }, bars, line) {
  const pad = Math.floor(size / 2);
  const room = width - 2 * pad;
  pen.fillStyle = SHADE;
  pen.fillRect(0, height, width, line * bars.length + 2 * pad);
  bars.forEach(([words, score, hue], index) => {
    const y = height + pad + index * line;
    pen.fillStyle = css(hue.map((c) => Math.floor(c / 5) + 12));
    pen.fillRect(pad, y, room, line - 3);
    pen.fillStyle = css(hue.map((c) => Math.floor((c * 5) / 9)));
    pen.fillRect(pad, y, Math.max(0, Math.min(score, 1)) * room, line - 3);
    const number = Math.abs(score) < 1.0005 ? `${(score * 100).toFixed(1)}%` : score.toPrecision(3);
    const taken = pen.measureText(number).width;
    const middle = y + (line - 3) / 2;
    text(pen, cut(pen, words, room - taken - 2 * pad), pad * 1.5, middle, PAPER);
    text(pen, number, pad + room - taken - pad / 2, middle, PAPER);
  });
}

// A colour, a name and a share in each row, the shares below one another.
function legend({ pen, width, size }, rows) {
  const [line, pad] = [Math.round(size * 1.35), Math.floor(size / 2)];
  const widest = (column) => Math.max(...rows.map((row) => pen.measureText(row[column]).width));
  const shares = widest(1);
  const named = Math.min(widest(0), Math.max(width - size - shares - 5 * pad, size));
  const end = size + named + (shares ? shares + 2 * pad : 0) + 2 * pad;
  pen.fillStyle = SHADE;
  pen.fillRect(0, 0, end + pad, line * rows.length + pad);
  rows.forEach(([words, part, hue], index) => {
    const y = pad / 2 + index * line;
    pen.fillStyle = css(hue);
    pen.fillRect(pad, y + (line - size) / 2, size, size);
    text(pen, cut(pen, words, named + 1), 2 * pad + size, y + line / 2, PAPER);
    text(pen, part, end - pen.measureText(part).width, y + line / 2, PAPER);
  });
}

function corner({ pen, width, height, size }, words, bottom) {
  const pad = Math.floor(size / 3);
  const [wide, high] = [pen.measureText(words).width + 2 * pad, size + 2 * pad];
  const [left, top] = bottom ? [0, height - high] : [width - wide, 0];
  pen.fillStyle = SHADE;
  pen.fillRect(left, top, wide, high);
  text(pen, words, left + pad, top + high / 2, PAPER);
}

function cut(pen, words, room) {
  let made = words;
  while (made.length > 1 && pen.measureText(made).width > room) made = `${made.slice(0, -2)}…`;
  return made;
}

function text(pen, words, x, y, shade) {
  pen.fillStyle = shade;
  pen.fillText(words, x, y);
}

// The answer in words, a line for each thing; pixels are the picture's.
export function answerLines(answer, task, place, top = 5) {
  // In a numbered list a number alone would not say that it is a class.
  const named = (index) => task.labels[index] || `class ${index}`;
  const said = (x) => `${named(x.index)}, ${(x.score * 100).toFixed(1)} %`;
  const lines = answer.classes.slice(0, top).map(said);
  for (const x of answer.detections) {
    const [t, l, b, r] = place.boxToPicture([x.top, x.left, x.bottom, x.right]).map(Math.round);
    lines.push(`${said(x)}: top ${t}, left ${l}, bottom ${b}, right ${r}`);
  }
  for (const x of answer.centroids) {
    const [y, across] = place.toPicture(x.y, x.x).map(Math.round);
    lines.push(`${said(x)}: x ${across}, y ${y}`);
  }
  if (answer.mask) lines.push(...shareLines(answer.mask.classes, named));
  if (answer.embedding) lines.push(`embedding of ${answer.embedding.length} numbers`);
  return lines.length ? lines : ["nothing found"];
}

// What covers how much of the picture, most first, as `edgemnv2 run` lists it.
function shareLines(classes, named) {
  const counts = new Map();
  for (const index of classes) counts.set(index, (counts.get(index) || 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0]);
  return sorted.map(([index, count]) => {
    const part = (100 * count) / classes.length;
    // A space as wide as a digit, so that points stand below each other.
    const share = (part < 0.05 ? "<0.1" : part.toFixed(1)).padStart(4, "\u2007");
    return `${share} %  ${named(index)}`;
  });
}
