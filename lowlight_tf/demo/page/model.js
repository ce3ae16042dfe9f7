// Runs the server's models with LiteRT.js, on WebGPU or WebAssembly.

import {getWebGpuDevice, loadAndCompile, loadLiteRt, supportsFeature, Tensor} from '@litertjs/core';
import {
  makeBrightness, makeThumbnail, needsTranspose, padToSize, toBytes, toRgba, toTensorValues,
  transpose,
} from './input_geometry.js';
import {makePlanesThumbnail, padPlanes, toPlanes, toVideoFrame} from './planes.js';

/** Load LiteRT.js; return whether there is WebGPU. WebAssembly is always there. */
export async function loadRuntime() {
  const threads = self.crossOriginIsolated && (await supportsFeature('relaxedSimd')) &&
      (await supportsFeature('threads'));
  await loadLiteRt('/litertjs/core/wasm/', {threads});
  return Boolean(getWebGpuDevice());
}

/** Time after which a frame does not continue the one before (milliseconds). */
const MAX_GAP_MS = 1000;

/** The compiled model in memory, its URL and accelerator, and its states after the last frame. */
let compiled = {};

/** Return a model compiled for an image size. */
async function compileModel(model, height, width, accelerator) {
  const url = `/models/${model.name}/${height}x${width}.tflite`;
  if (compiled.url !== url || compiled.accelerator !== accelerator) {
    const {runner: previous} = compiled;
    compiled = {};
    previous?.delete();
    const response = await fetch(url);
    if (!response.ok) throw new Error(await response.text());
    const content = new Uint8Array(await response.arrayBuffer());
    const runner = await loadAndCompile(content, {accelerator, gpuOptions: {precision: 'fp32'}});
    compiled = {url, accelerator, runner, isFirstRun: true};
  }
  return compiled.runner;
}

/**
 * Enhance an RGB image, or the planes of a video frame with a model of planes.
 *
 * A model with a brightness control is set to `brightness` (EV). A model with states gets those of
 * the frame before, if the image is a frame of the same `video` (its address; null for none).
 * Returns the result, which a canvas can draw, the milliseconds of inference, whether this was the
 * first run at this size (which takes longer), and the accelerator: integer models, and models that
 * WebGPU does not support completely, run on WebAssembly.
 */
export async function enhance(model, image, accelerator, brightness, video = null) {
  const step = model.multiple_of, {height: rows, width: columns} = image.luma ?? image;
  const [height, width] =
      model.size ?? [rows, columns].map((side) => Math.ceil(side / step) * step);
  const runner = await compileModel(
      model, height, width, model.is_integer ? 'wasm' : accelerator);
  const size = [height, width];
  const enhanceImage = model.is_planar ? enhancePlanes : enhanceRgb;
  const {isFirstRun, last} = compiled;
  const continues = video && last?.video === video && performance.now() - last.time < MAX_GAP_MS;
  const settings = {brightness, states: continues ? last.states : null};
  const outcome = await enhanceImage(runner, model, image, size, settings);
  compiled.isFirstRun = false;
  compiled.last = {video, states: outcome.states, time: performance.now()};
  return {...outcome, isFirstRun, usedAccelerator: runner.options.accelerator};
}

/** Run a model from RGB to RGB; return canvas pixels and the milliseconds. */
async function enhanceRgb(runner, model, image, [height, width], settings) {
  const transposes = needsTranspose(model.size, image);
  const oriented = transposes ? transpose(image) : image;
  const makeInput = (port) =>
      port.size ? makeThumbnail(image, ...port.size) : padToSize(oriented, height, width);
  const {values, milliseconds} = await run(runner, model, makeInput, settings);
  const [port] = model.outputs;
  const result = toRgba(
      values[port.name], width, oriented.height, oriented.width, port, model.is_integer);
  const pixels = transposes ? transpose(result) : result;
  return {result: new ImageData(pixels.data, pixels.width, pixels.height), milliseconds};
}

/** Run a model of planes on planes or an RGB image; return a VideoFrame and the milliseconds. */
async function enhancePlanes(runner, model, image, size, settings) {
  const planes = image.luma ? image : toPlanes(image);
  const padded = image.luma ? padPlanes(image, ...size) : toPlanes(padToSize(image, ...size));
  const makeInput = (port) => {
    if (port.size) return makePlanesThumbnail(planes, ...port.size);
    return port.state_of ? makeZeros(port, size) : padded[port.name];
  };
  const {values, milliseconds} = await run(runner, model, makeInput, settings);
  const outputs = model.outputs.slice(0, 2).map(
      (port) => toBytes(values[port.name], port, model.is_integer));
  return {result: toVideoFrame(...outputs, size, planes), milliseconds, states: values};
}

/** Return the input of a state port before the first frame. */
function makeZeros({channels, subsampling}, size) {
  const [height, width] = size.map((side) => Math.ceil(side / subsampling));
  return {data: new Uint8Array(height * width * channels), height, width};
}

/** Return the input of a control: of the brightness, or of how much a model remembers. */
function makeControl(port, {brightness, states}) {
  if (port.name === 'brightness') return makeBrightness(brightness);
  return {data: Uint8Array.of(states ? 255 : 0), height: 1, width: 1};
}

/**
 * Run a model on the images that `makeInput` returns for its ports, with the states of the frame
 * before; return values by port name.
 */
async function run(runner, model, makeInput, settings) {
  const tensors = {};
  for (const port of model.inputs) {
    const input = port.is_control ? makeControl(port, settings) : makeInput(port);
    const channels = input.data.length / (input.height * input.width);
    const values =
        settings.states?.[port.state_of] ?? toTensorValues(input, port, model.is_integer);
    tensors[port.name] = new Tensor(values, [1, input.height, input.width, channels]);
  }
  const start = performance.now();
  const outputs = await runner.run(tensors);
  const values = {};
  for (const port of model.outputs) values[port.name] = await outputs[port.name].data();
  const milliseconds = performance.now() - start;
  for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) tensor.delete();
  return {values, milliseconds};
}
