// Converts images to model inputs and results back, like runtime/input_geometry.py and
// runtime/litert_engine.py, with the same results.
//
// An image is {data, height, width}, with data of three bytes (RGB) per pixel, row by row.

/** Return the RGB image of canvas pixels (ImageData), without alpha. */
export function toRgb({data, width, height}) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return {data: rgb, width, height};
}

/** Return whether one of model and image is portrait and the other landscape. */
export function needsTranspose(size, {height, width}) {
  return Boolean(size) && (size[0] - size[1]) * (height - width) < 0;
}

/** Return an image with rows and columns exchanged, of any number of channels. */
export function transpose({data, width, height}) {
  const channels = data.length / (width * height), result = new data.constructor(data.length);
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = channels * (x * height + y);
      for (let channel = 0; channel < channels; channel++) result[to + channel] = data[from++];
    }
  }
  return {data: result, width: height, height: width};
}

/** Return `index` reflected at the ends of [0, length), which are not repeated. */
function reflect(index, length) {
  if (length === 1) return 0;
  const position = index % (2 * length - 2);
  return position < length ? position : 2 * length - 2 - position;
}

/** Return an image reflected beyond its lower and right borders, up to a size. */
export function padToSize(image, height, width) {
  if (image.height === height && image.width === width) return image;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const row = reflect(y, image.height) * image.width;
    for (let x = 0; x < width; x++, to += 3) {
      const from = 3 * (row + reflect(x, image.width));
      data[to] = image.data[from];
      data[to + 1] = image.data[from + 1];
      data[to + 2] = image.data[from + 2];
    }
  }
  return {data, width, height};
}

/** Return the input of a thumbnail port: the image resized by area, halved as often as it can be. */
export function makeThumbnail(image, height, width) {
  while (image.height >= 4 * height && image.width >= 4 * width) image = halve(image);
  const shrinks = image.height >= height && image.width >= width;
  // OpenCV uses area weights only if both sides shrink.
  const weights = shrinks ? areaWeights : linearWeights;
  return resample(image, weights(image.height, height), weights(image.width, width));
}

/** Return an image of half the size, in which each pixel is the mean of the area it covers. */
function halve(image) {
  const {data} = image, stride = 3 * image.width;
  const height = image.height >> 1, width = image.width >> 1;
  if (image.height % 2 || image.width % 2) {
    return resample(image, areaWeights(image.height, height), areaWeights(image.width, width));
  }
  const halved = new Uint8Array(height * width * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let from = 2 * y * stride + 6 * x, end = from + 3; from < end; from++) {
        // Halves are rounded up, as OpenCV does here and nowhere else.
        halved[to++] =
            (data[from] + data[from + 3] + data[from + stride] + data[from + stride + 3] + 2) >> 2;
      }
    }
  }
  return {data: halved, width, height};
}

/** Return the input of a brightness control, like runtime/brightness.py: brighten, darken. */
export function makeBrightness(ev) {
  const data = Uint8Array.of(...[ev, -ev].map((side) => Math.round(127.5 * Math.max(side, 0))));
  return {data, width: 1, height: 1};
}

/** Return for each of `outputLength` pixels the [index, weight] of each input pixel it covers. */
function areaWeights(inputLength, outputLength) {
  const scale = inputLength / outputLength;
  return Array.from({length: outputLength}, (_, index) => {
    const start = index * scale, end = Math.min(start + scale, inputLength), taps = [];
    for (let pixel = Math.floor(start); pixel < end; pixel++) {
      const overlap = Math.min(pixel + 1, end) - Math.max(pixel, start);
      if (overlap > 1e-3) taps.push([pixel, overlap / (end - start)]);
    }
    return taps;
  });
}

/** Return the same for two input pixels each, as INTER_AREA of OpenCV enlarges. */
function linearWeights(inputLength, outputLength) {
  return Array.from({length: outputLength}, (_, index) => {
    const pixel = Math.floor((index * inputLength) / outputLength);
    const excess = index + 1 - ((pixel + 1) * outputLength) / inputLength;
    const weight = excess <= 0 ? 0 : excess - Math.floor(excess);
    if (pixel >= inputLength - 1) return [[inputLength - 1, 1]];
    return [[pixel, 1 - weight], [pixel + 1, weight]];
  });
}

/** Return an image whose rows and columns are weighted means of another's. */
function resample(image, rowTaps, columnTaps) {
  const height = rowTaps.length, width = columnTaps.length;
  const row = new Float64Array(3 * image.width);
  const data = new Uint8ClampedArray(height * width * 3);  // rounds ties to even, as OpenCV does
  for (let y = 0, to = 0; y < height; y++) {
    row.fill(0);
    for (const [inputRow, weight] of rowTaps[y]) {
      const start = inputRow * row.length;
      for (let i = 0; i < row.length; i++) row[i] += weight * image.data[start + i];
    }
    for (const taps of columnTaps) {
      let red = 0, green = 0, blue = 0;
      for (const [column, weight] of taps) {
        red += weight * row[3 * column];
        green += weight * row[3 * column + 1];
        blue += weight * row[3 * column + 2];
      }
      data[to++] = red;
      data[to++] = green;
      data[to++] = blue;
    }
  }
  return {data: new Uint8Array(data.buffer), width, height};
}

/** Return an image's bytes as the values of a port: quantized for an integer model, else floats. */
export function toTensorValues(image, port, isInteger) {
  const [black, white] = port.levels, toNumber = (level) => (level - black) / (white - black);
  const table = isInteger
    ? Uint8Array.from(makeTable((level) => toNumber(level) / port.scale + port.zero_point))
    : Float32Array.from({length: 256}, (_, level) => toNumber(level));
  const values = new table.constructor(image.data.length);
  for (let i = 0; i < values.length; i++) values[i] = table[image.data[i]];
  return values;
}

/** Return the values of a port as bytes, the inverse of `toTensorValues`. */
export function toBytes(values, port, isInteger) {
  const [black, white] = port.levels;
  const toByte = (number) => black + number * (white - black);
  if (!isInteger) return Uint8ClampedArray.from(values, toByte);
  const table = makeTable((code) => toByte((code - port.zero_point) * port.scale));
  return Uint8Array.from(values, (code) => table[code]);
}

/** Return the upper left of an output, rows of `stride` pixels, as RGBA pixels of a canvas. */
export function toRgba(values, stride, height, width, port, isInteger) {
  const bytes = toBytes(values, port, isInteger);
  const data = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = 3 * y * stride; x < width; x++, to += 4) {
      for (let channel = 0; channel < 3; channel++) data[to + channel] = bytes[from++];
    }
  }
  return {data, width, height};
}

/** Return the results of a function for each byte, rounded and clamped to bytes. */
function makeTable(convert) {
  return Uint8ClampedArray.from({length: 256}, (_, code) => convert(code));
}
