// What the visitor sees and does.

import {opaque} from './fit.js';

const NAMES = {webgpu: 'WebGPU', wasm: 'WebAssembly'};
const at = (id) => document.getElementById(id);
const [before, after] = ['before', 'after'].map((id) => at(id));
const [shown, result] = [before, after].map(
    (canvas) => canvas.getContext('2d', {alpha: false, willReadFrequently: true}));

let site;                  // what /nets.json says
let litert;                // net.js; loaded late, so that its failing can be said
let name = 'picture';      // of the picture, without its suffix
let source = null;         // an ImageBitmap, or the <video> while the camera runs
let running = false;
let changed = false;       // something was asked for while a net was running

const say = (line) => { at('message').textContent = line; };

/** Return the net that the two lists name. */
function chosenNet() {
  return site.nets.find((net) =>
      net.model === at('model').value && net.quantization === at('quantization').value);
}

/** Fill a list; keep what was chosen where it is still there. */
function fill(list, values) {
  const kept = list.value;
  list.replaceChildren(...values.map((value) => new Option(value, value)));
  if (values.includes(kept)) list.value = kept;
}

function listQuantizations() {
  const nets = site.nets.filter((net) => net.model === at('model').value);
  fill(at('quantization'), nets.map((net) => net.quantization));
}

/** Return the largest height and width of a picture's shape that a net is shown. */
function sizeFor(net, height, width) {
  const [most, least] = [Math.max, Math.min].map((pick) => pick(height, width));
  const scale = net.size
    ? Math.min(1, Math.max(...net.size) / most, Math.min(...net.size) / least)
    : Math.min(1, Math.sqrt(site.most / (height * width)));
  return [height, width].map((side) => Math.max(1, Math.floor(side * scale + 1e-9)));
}

/** Leave everything to WebAssembly, and say why. */
function withoutWebGPU(reason) {
  const [webgpu] = at('backend').options;
  webgpu.disabled = true;
  at('backend').value = 'wasm';
  at('about').textContent = `${reason}: the nets run on WebAssembly.`;
}

/** Run the chosen net on the source, once more if something else was asked for meanwhile. */
async function show() {
  changed = true;
  if (running || !source) return;
  running = true;
  let state;
  while (changed) {
    changed = false;
    document.body.dataset.state = 'running';
    const backend = at('backend').value;
    try {
      await run(chosenNet(), backend);
      state = 'done';
    } catch (error) {
      state = 'failed';
      say(`${chosenNet().name} did not run: ${error.message ?? error}`);
      if (backend === 'webgpu') {  // LiteRT.js may be left in pieces there
        withoutWebGPU(`WebGPU failed (${error.message ?? error})`);
        changed = true;
      }
    }
  }
  running = false;
  document.body.dataset.state = state;
}

async function run(net, backend) {
  await new Promise((done) => setTimeout(done));  // lets the browser draw, and see the buttons
  const begun = performance.now();
  const height = source.videoHeight || source.height, width = source.videoWidth || source.width;
  const size = sizeFor(net, height, width);
  [before.height, before.width] = size;
  shown.imageSmoothingQuality = 'high';
  shown.drawImage(source, 0, 0, size[1], size[0]);
  const image = opaque(shown.getImageData(0, 0, size[1], size[0]));
  const {pixels, milliseconds, first, ranOn} = await litert.enhance(net, image, backend);
  [after.height, after.width] = size;
  result.putImageData(pixels, 0, 0);
  at('figure').hidden = false;
  at('save').disabled = false;
  at('times').textContent = `${net.name}, ${net.kilobytes} kB, on ${NAMES[ranOn]}: ` +
      `${milliseconds.toFixed(1)} ms the net${first ? ' (its first run)' : ''}, ${(performance.now() - begun).toFixed(1)} ms in all, ` +
      `${size[1]}x${size[0]} pixels`;
  if (first && milliseconds < 1000) changed = true;  // once more: a first run is no measure
  const smaller = size[0] < height || size[1] < width;
  say([
    smaller && `The picture is ${width}x${height}; shown to the net as ${size[1]}x${size[0]}, the ` +
        'most it takes here. `lowlight-tf enhance` takes any size.',
    ranOn !== backend && (net.bytes
        ? 'A net of bytes runs on WebAssembly: WebGPU has no bytes.'
        : 'WebGPU does not take the whole of this net: it ran on WebAssembly.'),
  ].filter(Boolean).join(' '));
}

/** Show a picture from a file. */
async function open(file) {
  document.body.dataset.state = 'reading';
  try {
    const bitmap = await createImageBitmap(file, {premultiplyAlpha: 'none'});
    stopCamera();
    source = bitmap;
    name = file.name.replace(/\.[^.]*$/, '') || 'picture';
  } catch {
    say(`${file.name} is no picture that this browser can read. Choose a JPEG, PNG or WebP file.`);
    document.body.dataset.state = 'failed';
    return;
  }
  show();
}

function stopCamera() {
  at('video').srcObject?.getTracks().forEach((track) => track.stop());
  at('video').srcObject = null;
  at('camera').textContent = 'Use the camera';
}

/** Enhance what the camera sees until it is stopped; then its last frame is the picture. */
async function toggleCamera() {
  const video = at('video');
  if (video.srcObject) {
    source = await createImageBitmap(video);
    stopCamera();
    show();
    return;
  }
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}});
    await video.play();
  } catch (error) {
    stopCamera();
    say(`The camera cannot be used: ${error.message}. Allow it in the browser, or plug one in.`);
    return;
  }
  at('camera').textContent = 'Stop the camera';
  [source, name] = [video, 'camera'];
  while (video.srcObject && source === video) {
    await show();
    await new Promise((done) => requestAnimationFrame(done));
  }
}

function save() {
  after.toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${name}_enhanced.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

function listen() {
  at('model').addEventListener('change', () => { listQuantizations(); show(); });
  at('quantization').addEventListener('change', show);
  at('backend').addEventListener('change', show);
  at('file').addEventListener('change', () => {
    if (at('file').files.length) open(at('file').files[0]);
    at('file').value = '';
  });
  at('camera').addEventListener('click', toggleCamera);
  at('save').addEventListener('click', save);
  at('controls').addEventListener('submit', (event) => event.preventDefault());
  at('slider').addEventListener('input', () => {
    document.documentElement.style.setProperty('--cut', `${at('slider').value}%`);
  });
  const drop = at('drop');
  addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
  addEventListener('dragleave', () => drop.classList.remove('over'));
  addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) open(file);
    else say('What was dropped is no file.');
  });
}

async function begin() {
  site = await (await fetch('/nets.json')).json();
  const chosen = site.nets.find((net) => net.name === site.chosen);
  fill(at('model'), [...new Set(site.nets.map((net) => net.model))]);
  at('model').value = chosen.model;
  listQuantizations();
  at('quantization').value = chosen.quantization;
  litert = await import('./net.js');
  if (!(await litert.start())) withoutWebGPU('This browser has no WebGPU here');
  listen();
  source = await createImageBitmap(await (await fetch('/example.png')).blob());
  name = 'example';
  await show();
}

begin().catch((error) => {
  say(`The nets cannot be run in this browser: ${error.message ?? error}`);
  document.body.dataset.state = 'failed';
});
