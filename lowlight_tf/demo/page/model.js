// Runs the server's models with LiteRT.js, on WebGPU or WebAssembly.

import {getWebGpuDevice, loadAndCompile, loadLiteRt, supportsFeature, Tensor} from '@litertjs/core';
import {
  makeBrightness, makeThumbnail, needsTranspose, padToSize, toRgba, toTensorValues, transpose,
} from './input_geometry.js';

/** Load LiteRT.js; return whether there is WebGPU. WebAssembly is always there. */
export async function loadRuntime() {
  const threads = self.crossOriginIsolated && (await supportsFeature('relaxedSimd')) &&
      (await supportsFeature('threads'));
  await loadLiteRt('/litertjs/core/wasm/', {threads});
  return Boolean(getWebGpuDevice());
}

/** The compiled model in memory, and its URL and accelerator. */
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
 * Enhance an RGB image; a model with a brightness control is set to `brightness` (EV).
 *
 * Returns the canvas pixels of the result, the milliseconds of inference, whether this was the
 * first run at this size (which takes longer), and the accelerator: integer models, and models
 * that WebGPU does not support completely, run on WebAssembly.
 */
export async function enhance(model, image, accelerator, brightness) {
  const step = model.multiple_of;
  const [height, width] = model.size ??
      [image.height, image.width].map((side) => Math.ceil(side / step) * step);
  const runner = await compileModel(
      model, height, width, model.is_integer ? 'wasm' : accelerator);
  const transposes = needsTranspose(model.size, image);
  const oriented = transposes ? transpose(image) : image;
  const tensors = {};
  for (const port of model.inputs) {
    const input = port.is_control
      ? makeBrightness(brightness)
      : port.size
        ? makeThumbnail(image, ...port.size)
        : padToSize(oriented, height, width);
    const channels = input.data.length / (input.height * input.width);
    tensors[port.name] = new Tensor(
        toTensorValues(input, port, model.is_integer), [1, input.height, input.width, channels]);
  }
  const [port] = model.outputs;
  const start = performance.now();
  const outputs = await runner.run(tensors);
  const values = await outputs[port.name].data();
  const milliseconds = performance.now() - start;
  for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) tensor.delete();
  const {isFirstRun} = compiled;
  compiled.isFirstRun = false;
  const result = toRgba(values, width, oriented.height, oriented.width, port, model.is_integer);
  const pixels = transposes ? transpose(result) : result;
  return {
    pixels: new ImageData(pixels.data, pixels.width, pixels.height),
    milliseconds,
    isFirstRun,
    usedAccelerator: runner.options.accelerator,
  };
}
