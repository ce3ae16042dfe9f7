// The user interface: selects model and image, runs the model, shows and saves the result.

import {toRgb} from './input_geometry.js';
import {readPlanes} from './planes.js';

const ACCELERATOR_NAMES = {webgpu: 'WebGPU', wasm: 'WebAssembly'};
const element = (id) => document.getElementById(id);
const [before, after] = ['before', 'after'].map((id) => element(id));
const [beforeContext, afterContext] = [before, after].map(
    (canvas) => canvas.getContext('2d', {alpha: false, willReadFrequently: true}));

let site;                   // content of /models.json
let inference;              // model.js; imported late, so that a failure can be reported
let imageName = 'image';    // without its suffix
let source = null;          // an ImageBitmap, or the <video> while the camera runs
let isRunning = false;
let needsRun = false;       // something changed while a model was running

const report = (line) => { element('message').textContent = line; };

/** Return the model that the two lists select. */
function selectedModel() {
  return site.models.find((model) =>
      model.base_name === element('model').value &&
      model.quantization === element('quantization').value);
}

/** Set the options of a list; keep the selected one if it still exists. */
function setOptions(list, values) {
  const selected = list.value;
  list.replaceChildren(...values.map((value) => new Option(value, value)));
  if (values.includes(selected)) list.value = selected;
}

function listQuantizations() {
  const models = site.models.filter((model) => model.base_name === element('model').value);
  setOptions(element('quantization'), models.map((model) => model.quantization));
  element('brightness_control').hidden = !models[0].inputs.some((port) => port.is_control);
}

/** Return the largest height and width, of an image's aspect ratio, that the page runs a model at. */
function inferenceSize(model, height, width) {
  const [longSide, shortSide] = [Math.max, Math.min].map((pick) => pick(height, width));
  const scale = model.size
    ? Math.min(1, Math.max(...model.size) / longSide, Math.min(...model.size) / shortSide)
    : Math.min(1, Math.sqrt(site.max_pixels / (height * width)));
  return [height, width].map((side) => Math.max(1, Math.floor(side * scale + 1e-9)));
}

/** Run everything on WebAssembly, and report why. */
function disableWebGPU(reason) {
  const [webgpu] = element('backend').options;
  webgpu.disabled = true;
  element('backend').value = 'wasm';
  element('about').textContent = `${reason}: the models run on WebAssembly.`;
}

/** Run the selected model on the source, and again if something changed meanwhile. */
async function update() {
  needsRun = true;
  if (isRunning || !source) return;
  isRunning = true;
  let state;
  while (needsRun) {
    needsRun = false;
    document.body.dataset.state = 'running';
    const backend = element('backend').value;
    try {
      await run(selectedModel(), backend);
      state = 'done';
    } catch (error) {
      state = 'failed';
      report(`${selectedModel().name} did not run: ${error.message ?? error}`);
      if (backend === 'webgpu') {  // LiteRT.js may be unusable on WebGPU now
        disableWebGPU(`WebGPU failed (${error.message ?? error})`);
        needsRun = true;
      }
    }
  }
  isRunning = false;
  document.body.dataset.state = state;
}

async function run(model, backend) {
  await new Promise((resolve) => setTimeout(resolve));  // let the browser draw and handle clicks
  const start = performance.now();
  const height = source.videoHeight || source.height, width = source.videoWidth || source.width;
  const size = inferenceSize(model, height, width);
  [before.height, before.width] = size;
  beforeContext.imageSmoothingQuality = 'high';
  beforeContext.drawImage(source, 0, 0, size[1], size[0]);
  const isDownscaled = size[0] < height || size[1] < width;
  const image = (model.is_planar && !isDownscaled && await readSourcePlanes()) ||
      toRgb(beforeContext.getImageData(0, 0, size[1], size[0]));
  const video = image.luma ? source.currentSrc || source.srcObject : null;
  const {result, milliseconds, isFirstRun, usedAccelerator} = await inference.enhance(
      model, image, backend, Number(element('brightness').value), video);
  [after.height, after.width] = size;
  drawResult(result);
  document.body.dataset.input = image.luma ? 'planes' : 'rgb';
  element('figure').hidden = false;
  element('save').disabled = false;
  const total = performance.now() - start;
  element('times').textContent =
      `${model.name}, ${model.kilobytes} kB, on ${ACCELERATOR_NAMES[usedAccelerator]}: ` +
      `${milliseconds.toFixed(1)} ms inference${isFirstRun ? ' (first run)' : ''}, ` +
      `${total.toFixed(1)} ms in total, ${size[1]}x${size[0]} pixels`;
  if (isFirstRun && milliseconds < 1000) needsRun = true;  // a first run is not representative
  report([
    isDownscaled && `The image of ${width}x${height} was downscaled to ${size[1]}x${size[0]}, ` +
        'the maximum here. `lowlight-tf enhance` takes any size.',
    usedAccelerator !== backend && (model.is_integer
        ? 'An int8 model runs on WebAssembly: WebGPU does not support 8-bit integers.'
        : 'WebGPU does not support all operations of this model: it ran on WebAssembly.'),
  ].filter(Boolean).join(' '));
}

/** Return the planes of the current frame of camera or video, or null. */
async function readSourcePlanes() {
  if (source !== element('video') || !self.VideoFrame) return null;
  const frame = new VideoFrame(source);
  try {
    return await readPlanes(frame);
  } finally {
    frame.close();
  }
}

function drawResult(result) {
  if (result instanceof ImageData) {
    afterContext.putImageData(result, 0, 0);
  } else {
    afterContext.drawImage(result, 0, 0);
    result.close();
  }
}

/** Enhance an image or video file. */
async function openFile(file) {
  document.body.dataset.state = 'reading';
  if (file.type.startsWith('video/')) {
    await playFile(file);
    return;
  }
  try {
    const bitmap = await createImageBitmap(file, {premultiplyAlpha: 'none'});
    stopCamera();
    source = bitmap;
    imageName = file.name.replace(/\.[^.]*$/, '') || 'image';
  } catch {
    report(
        `${file.name} is not an image that this browser can read. Choose a JPEG, PNG or WebP file.`);
    document.body.dataset.state = 'failed';
    return;
  }
  update();
}

/** Play a video file in a loop and enhance its frames. */
async function playFile(file) {
  const video = element('video');
  stopCamera();
  video.src = URL.createObjectURL(file);
  video.loop = true;
  try {
    await video.play();
  } catch {
    stopCamera();
    report(`${file.name} is not a video that this browser can play. Choose an MP4 or WebM file.`);
    document.body.dataset.state = 'failed';
    return;
  }
  imageName = file.name.replace(/\.[^.]*$/, '') || 'video';
  await enhanceVideo();
}

/** Enhance the frames of the <video> until something else is enhanced. */
async function enhanceVideo() {
  const video = element('video'), content = video.currentSrc || video.srcObject;
  source = video;
  while (source === video && (video.currentSrc || video.srcObject) === content) {
    await update();
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}

/** Stop the camera or the video file. */
function stopCamera() {
  const video = element('video');
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  if (video.src) {
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    video.load();
  }
  element('camera').textContent = 'Use the camera';
}

/** Enhance the camera's frames until it is stopped; its last frame remains as the image. */
async function toggleCamera() {
  const video = element('video');
  if (video.srcObject) {
    source = await createImageBitmap(video);
    stopCamera();
    update();
    return;
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}});
    await video.play();
  } catch (error) {
    stopCamera();
    report(
        `The camera cannot be used: ${error.message}. Allow it in the browser, or connect one.`);
    return;
  }
  element('camera').textContent = 'Stop the camera';
  imageName = 'camera';
  await enhanceVideo();
}

function saveResult() {
  after.toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${imageName}_enhanced.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function addListeners() {
  element('model').addEventListener('change', () => { listQuantizations(); update(); });
  element('quantization').addEventListener('change', update);
  element('backend').addEventListener('change', update);
  element('brightness').addEventListener('input', () => {
    element('ev').textContent = element('brightness').value;
    update();
  });
  element('file').addEventListener('change', () => {
    if (element('file').files.length) openFile(element('file').files[0]);
    element('file').value = '';
  });
  element('camera').addEventListener('click', toggleCamera);
  element('save').addEventListener('click', saveResult);
  element('controls').addEventListener('submit', (event) => event.preventDefault());
  element('slider').addEventListener('input', () => {
    document.documentElement.style.setProperty('--split', `${element('slider').value}%`);
  });
  const drop = element('drop');
  addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
  addEventListener('dragleave', () => drop.classList.remove('over'));
  addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) openFile(file);
    else report('What was dropped is not a file.');
  });
}

async function main() {
  site = await (await fetch('/models.json')).json();
  const selected = site.models.find((model) => model.name === site.selected);
  setOptions(element('model'), [...new Set(site.models.map((model) => model.base_name))]);
  element('model').value = selected.base_name;
  listQuantizations();
  element('quantization').value = selected.quantization;
  inference = await import('./model.js');
  if (!(await inference.loadRuntime())) disableWebGPU('This browser has no WebGPU here');
  addListeners();
  source = await createImageBitmap(await (await fetch('/example.png')).blob());
  imageName = 'example';
  await update();
}

main().catch((error) => {
  report(`The models cannot be run in this browser: ${error.message ?? error}`);
  document.body.dataset.state = 'failed';
});
