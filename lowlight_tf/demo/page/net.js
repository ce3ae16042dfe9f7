// A net of the server, run by LiteRT.js on WebGPU or WebAssembly.

import {getWebGpuDevice, loadAndCompile, loadLiteRt, supportsFeature, Tensor} from '@litertjs/core';
import {across, numbers, padded, picture, thumbnail, turned} from './fit.js';

/** Load LiteRT.js; tell whether there is WebGPU. WebAssembly is everywhere. */
export async function start() {
  const threads = self.crossOriginIsolated && (await supportsFeature('relaxedSimd')) &&
      (await supportsFeature('threads'));
  await loadLiteRt('/litertjs/core/wasm/', {threads});
  return Boolean(getWebGpuDevice());
}

/** The one net in memory, and for which size and what it was made. */
let loaded = {};

/** Return the net, made ready for a size. */
async function compiled(net, height, width, accelerator) {
  const url = `/nets/${net.name}/${height}x${width}.tflite`;
  if (loaded.url !== url || loaded.accelerator !== accelerator) {
    const {model: last} = loaded;
    loaded = {};
    last?.delete();
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(await answer.text());
    const content = new Uint8Array(await answer.arrayBuffer());
    const model = await loadAndCompile(content, {accelerator, gpuOptions: {precision: 'fp32'}});
    loaded = {url, accelerator, model, first: true};
  }
  return loaded.model;
}

/**
 * Brighten an image of three bytes per pixel.
 *
 * Returns the result for a canvas, how many milliseconds the net itself took, whether that was its
 * first run at this size (which takes longer), and what it ran on: a net of bytes, and one that
 * WebGPU does not take whole, is run by WebAssembly.
 */
export async function enhance(net, image, accelerator) {
  const step = net.multiple_of;
  const [height, width] = net.size ??
      [image.height, image.width].map((side) => Math.ceil(side / step) * step);
  const model = await compiled(net, height, width, net.bytes ? 'wasm' : accelerator);
  const turns = across(net.size, image), laid = turns ? turned(image) : image;
  const tensors = {};
  for (const port of net.inputs) {
    const shown = port.size ? thumbnail(image, ...port.size) : padded(laid, height, width);
    tensors[port.name] = new Tensor(
        numbers(shown, port, net.bytes), [1, shown.height, shown.width, 3]);
  }
  const [wanted] = net.outputs;
  const begun = performance.now();
  const answers = await model.run(tensors);
  const values = await answers[wanted.name].data();
  const milliseconds = performance.now() - begun;
  for (const tensor of [...Object.values(tensors), ...Object.values(answers)]) tensor.delete();
  const {first} = loaded;
  loaded.first = false;
  const bright = picture(values, width, laid.height, laid.width, wanted, net.bytes);
  const pixels = turns ? turned(bright) : bright;
  return {
    pixels: new ImageData(pixels.data, pixels.width, pixels.height),
    milliseconds,
    first,
    ranOn: model.options.accelerator,
  };
}
