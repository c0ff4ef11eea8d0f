// The page around a network: a photograph or the camera in, the answer drawn, facts.

import { answerLines, draw } from "./draw.js";

const LISTED_AFTER = 1500; // milliseconds until the camera's answer is told anew
const SETTLED = 0.9; // what the frame rate keeps of its past at each frame

// Binds the elements below `root` (those of page.html) to a network that is being loaded.
export async function openPage(root, loading) {
  const find = (name) => root.querySelector(`[data-edgemnv2="${name}"]`);
  const say = (words) => {
    find("state").textContent = words;
  };
  let network;
  try {
    network = await loading;
  } catch (error) {
    say(`The network cannot be loaded: ${error.message}`);
    root.dataset.state = "failed";
    return null;
  }
  const { facts } = network;
  find("form").textContent =
    network.form === "simd"
      ? `with SIMD${network.threads === 2 ? ", on two threads" : ""}`
      : facts.forms.includes("simd")
        ? "without SIMD, which this browser has not: slower"
        : "without SIMD";
  const page = { network, find, say, threshold: network.threshold, camera: null, last: null };
  page.lines = []; // of the last answer
  page.turn = 0; // of pictures and cameras; what is not of the last turn comes too late
  page.listed = -Infinity; // when the list was renewed
  const takes = Boolean(facts.table);
  for (const control of root.querySelectorAll("input, button")) control.disabled = !takes;
  find("camera").disabled = !takes || !navigator.mediaDevices;
  find("threshold").value = Math.round(page.threshold * 100);
  find("threshold-value").textContent = `${find("threshold").value} %`;
  const { kind, roles } = facts.task;
  const scored = ["classifier", "detector", "grid"].includes(kind) || Boolean(roles.foreground);
  find("threshold").closest("label").hidden = !scored;
  find("threshold").addEventListener("input", (event) => {
    page.threshold = Number(event.target.value) / 100;
    find("threshold-value").textContent = `${event.target.value} %`;
    if (page.last) show(page, page.last, "");
  });
  find("file").addEventListener("change", ({ target }) => {
    openFile(page, target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  find("camera").addEventListener("click", () => toggleCamera(page));
  bindDrop(root, find("drop"), (file) => takes && openFile(page, file));
  watchWidth(find("canvas").parentElement, () => page.last && show(page, page.last, ""));
  say(takes ? "Ready: give it a picture." : "This network takes no pictures; see its module.");
  root.dataset.state = "ready";
  return page;
}

// Words on the picture are as large as the width that it is shown in asks for.
function watchWidth(element, redraw) {
  let width = element.clientWidth;
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    redraw();
  }).observe(element);
}

function bindDrop(root, target, take) {
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    target.classList.add("over");
  });
  root.addEventListener("dragleave", () => target.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    target.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}

async function openFile(page, file) {
  if (!file) return;
  stopCamera(page);
  const turn = ++page.turn;
  let picture;
  try {
    // Stored colours as they are, upright as EXIF says: what `edgemnv2 run` reads.
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    picture = await createImageBitmap(file, options);
  } catch {
    page.say(`${file.name} is not a picture that this browser reads (try PNG or JPEG).`);
    return;
  }
  if (turn === page.turn) {
    attempt(page, () => {
      const seconds = infer(page, picture, picture.width, picture.height);
      show(page, page.last, "");
      page.find("rate").textContent = `${(seconds * 1000).toFixed(1)} ms`;
    });
  }
  picture.close();
}

// Does `work`; says what went wrong. Gives whether it was done.
function attempt(page, work) {
  try {
    work();
    return true;
  } catch (error) {
    page.say(`This picture was not understood: ${error.message}`);
    return false;
  }
}

// Runs the network on a picture, keeps what it says, gives the seconds of the inference alone.
function infer(page, picture, width, height) {
  const { network } = page;
  const copy = page.copy || (page.copy = document.createElement("canvas"));
  [copy.width, copy.height] = [width, height];
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  const { inputs, place } = network.picture(pen.getImageData(0, 0, width, height));
  const start = performance.now();
  const outputs = network.run(inputs);
  const seconds = (performance.now() - start) / 1000;
  page.last = { inputs, outputs, place };
  return seconds;
}

function show(page, { outputs, place }, note) {
  const { network, find, copy } = page;
  const answer = network.decode(outputs, page.threshold);
  const { task } = network.facts;
  const canvas = find("canvas");
  draw(canvas, copy, answer, task, place, note);
  canvas.hidden = false;
  const lines = answerLines(answer, task, place);
  canvas.setAttribute("aria-label", `The picture with the answer: ${lines.join("; ")}`);
  page.lines = lines;
  // Shares of the picture are no ranks.
  find("answer").classList.toggle("shares", Boolean(answer.mask));
  // A reader is told only what is new, and while the camera runs no more than it can read out.
  if (!page.camera || performance.now() - page.listed > LISTED_AFTER) renewList(page);
  page.say("");
}

// The last answer in words, where it is not there yet.
function renewList(page) {
  const element = page.find("answer");
  const told = page.lines.join("\n");
  if (element.dataset.told === told) return;
  element.dataset.told = told;
  page.listed = performance.now();
  element.replaceChildren(
    ...page.lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
}

async function toggleCamera(page) {
  if (page.camera) {
    stopCamera(page);
    page.say("The camera is off.");
    return;
  }
  const turn = ++page.turn;
  const video = document.createElement("video");
  video.playsInline = true;
  video.muted = true;
  try {
    const wanted = { video: { facingMode: "environment", width: { ideal: 640 } }, audio: false };
    video.srcObject = await navigator.mediaDevices.getUserMedia(wanted);
    await video.play();
  } catch (error) {
    release(video);
    page.say(`No camera: ${error.message || error.name}.`);
    return;
  }
  // Meanwhile a picture was opened, or the button was pressed again.
  if (turn !== page.turn) {
    release(video);
    return;
  }
  page.camera = video;
  video.srcObject.getTracks()[0].addEventListener("ended", () => {
    if (page.camera !== video) return;
    stopCamera(page);
    page.say("The camera has stopped.");
  });
  page.find("camera").textContent = "Stop the camera";
  page.find("camera").setAttribute("aria-pressed", "true");
  let [last, rate] = [performance.now(), 0];
  const frame = () => {
    if (page.camera !== video) return;
    const done =
      !video.videoWidth ||
      attempt(page, () => {
        const seconds = infer(page, video, video.videoWidth, video.videoHeight);
        const now = performance.now();
        const current = 1000 / Math.max(now - last, 1e-3);
        rate = rate === 0 ? current : SETTLED * rate + (1 - SETTLED) * current;
        last = now;
        const note = `${rate.toFixed(1)} frames/s`;
        show(page, page.last, note);
        page.find("rate").textContent = `${(seconds * 1000).toFixed(1)} ms, ${note}`;
      });
    if (done) requestAnimationFrame(frame);
    else stopCamera(page);
  };
  requestAnimationFrame(frame);
}

function release(video) {
  for (const track of video.srcObject ? video.srcObject.getTracks() : []) track.stop();
}

function stopCamera(page) {
  page.turn++;
  if (!page.camera) return;
  release(page.camera);
  page.camera = null;
  page.find("camera").textContent = "Use the camera";
  page.find("camera").setAttribute("aria-pressed", "false");
  renewList(page); // what the picture shows, which the list may not have told yet
}
