// Any picture into the size and the numbers that a net takes, and back: what runtime/fit.py and
// runtime/litert.py do, with the same results.

/** Return an image of three bytes per pixel, of what a canvas holds. */
export function opaque({data, width, height}) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return {data: rgb, width, height};
}

/** Tell whether the picture stands and the one size that a net takes lies, or the reverse. */
export function across(size, {height, width}) {
  return Boolean(size) && (size[0] - size[1]) * (height - width) < 0;
}

/** Return an image on its side: its rows as columns. */
export function turned({data, width, height}) {
  const channels = data.length / (width * height), result = new data.constructor(data.length);
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = channels * (x * height + y);
      for (let color = 0; color < channels; color++) result[to + color] = data[from++];
    }
  }
  return {data: result, width: height, height: width};
}

/** Return the place within `length` that a mirror beyond the ends shows at `index`. */
function mirrored(index, length) {
  if (length === 1) return 0;
  const at = index % (2 * length - 2);
  return at < length ? at : 2 * length - 2 - at;
}

/** Return an image mirrored beyond its lower and right sides, up to a size. */
export function padded(image, height, width) {
  if (image.height === height && image.width === width) return image;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const row = mirrored(y, image.height) * image.width;
    for (let x = 0; x < width; x++, to += 3) {
      const from = 3 * (row + mirrored(x, image.width));
      data[to] = image.data[from];
      data[to + 1] = image.data[from + 1];
      data[to + 2] = image.data[from + 2];
    }
  }
  return {data, width, height};
}

/** Return what a thumbnail port is shown: means of the picture, by whole blocks first. */
export function thumbnail(image, height, width) {
  const block = Math.floor(Math.min(image.height / (2 * height), image.width / (2 * width)));
  if (block > 1) {
    const [rows, columns] = [image.height, image.width].map((side) => Math.floor(side / block));
    image = averaged(image, shares(rows * block, rows), shares(columns * block, columns));
  }
  const shrinks = image.height >= height && image.width >= width;
  const weights = shrinks ? shares : between;  // OpenCV enlarges in both ways, or in none
  return averaged(image, weights(image.height, height), weights(image.width, width));
}

/** Return for each of `want` pixels which of `have` lie in it, and by what share. */
function shares(have, want) {
  const scale = have / want;
  return Array.from({length: want}, (_, index) => {
    const from = index * scale, to = Math.min(from + scale, have), taps = [];
    for (let at = Math.floor(from); at < to; at++) {
      const share = Math.min(at + 1, to) - Math.max(at, from);
      if (share > 1e-3) taps.push([at, share / (to - from)]);
    }
    return taps;
  });
}

/** Return for each of `want` pixels the two of `have` that it lies between, as INTER_AREA does. */
function between(have, want) {
  return Array.from({length: want}, (_, index) => {
    const at = Math.floor((index * have) / want);
    const past = index + 1 - ((at + 1) * want) / have;
    const share = past <= 0 ? 0 : past - Math.floor(past);
    return at >= have - 1 ? [[have - 1, 1]] : [[at, 1 - share], [at + 1, share]];
  });
}

/** Return an image whose rows and columns are weighted means of another's. */
function averaged(image, down, across) {
  const height = down.length, width = across.length, row = new Float64Array(3 * image.width);
  const data = new Uint8ClampedArray(height * width * 3);  // rounds ties to even, as OpenCV does
  for (let y = 0, to = 0; y < height; y++) {
    row.fill(0);
    for (const [from, share] of down[y]) {
      const start = from * row.length;
      for (let at = 0; at < row.length; at++) row[at] += share * image.data[start + at];
    }
    for (const taps of across) {
      let red = 0, green = 0, blue = 0;
      for (const [from, share] of taps) {
        red += share * row[3 * from];
        green += share * row[3 * from + 1];
        blue += share * row[3 * from + 2];
      }
      data[to++] = red;
      data[to++] = green;
      data[to++] = blue;
    }
  }
  return {data: new Uint8Array(data.buffer), width, height};
}

/** Return an image's bytes as the numbers that a port of a net takes. */
export function numbers(image, port, bytes) {
  const table = bytes
    ? Uint8Array.from(clamped((code) => code / 255 / port.scale + port.zero))
    : Float32Array.from({length: 256}, (_, code) => code / 255);
  const result = new table.constructor(image.data.length);
  for (let at = 0; at < result.length; at++) result[at] = table[image.data[at]];
  return result;
}

/** Return the upper left of a net's answer, as large as the picture, in a canvas's four bytes. */
export function picture(answer, stride, height, width, port, bytes) {
  const table = bytes && clamped((code) => (code - port.zero) * port.scale * 255);
  const data = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = 3 * y * stride; x < width; x++, to += 4) {
      for (let color = 0; color < 3; color++, from++) {
        data[to + color] = bytes ? table[answer[from]] : 255 * answer[from];
      }
    }
  }
  return {data, width, height};
}

/** Return what a function says of each byte, as bytes. */
function clamped(said) {
  return Uint8ClampedArray.from({length: 256}, (_, code) => said(code));
}
