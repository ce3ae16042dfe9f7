// Converts video frames and RGB images to the planes of 4:2:0 video and back, like
// video/frame_enhancers.py and runtime/rgb_engine.py.
//
// Planes are {luma, chroma, fullRange, colorSpace}; luma is {data, height, width} of one byte per
// pixel, chroma the same of two, Cb and Cr, at half the size.

import {makeThumbnail} from './input_geometry.js';

const BLACK = 16, WHITE = 235, GRAY = 128, CHROMA_LEVELS = 224;
const BT709 = {matrix: 'bt709', primaries: 'bt709', transfer: 'bt709', fullRange: false};

/** Return the planes of a VideoFrame, or null if the browser gives none of 4:2:0. */
export async function readPlanes(frame) {
  if (!['I420', 'NV12'].includes(frame.format)) return null;
  const {width, height} = frame.visibleRect;
  if (width % 2 || height % 2) return null;
  const data = new Uint8Array(frame.allocationSize());
  const [yLayout, ...chromaLayouts] = await frame.copyTo(data);
  const luma = new Uint8Array(width * height), chroma = new Uint8Array(luma.length / 2);
  for (let y = 0; y < height; y++) {
    const from = yLayout.offset + y * yLayout.stride;
    luma.set(data.subarray(from, from + width), y * width);
  }
  for (let y = 0, to = 0; y < height / 2; y++) {
    const rows = chromaLayouts.map(({offset, stride}) => offset + y * stride);
    if (rows.length === 1) rows.push(rows[0] + 1);  // NV12 has pairs of Cb and Cr
    const step = chromaLayouts.length === 1 ? 2 : 1;
    for (let x = 0; x < width / 2; x++) {
      chroma[to++] = data[rows[0] + step * x];
      chroma[to++] = data[rows[1] + step * x];
    }
  }
  const {colorSpace} = frame, fullRange = Boolean(colorSpace.fullRange);
  const planes = {
    luma: {data: luma, height, width},
    chroma: {data: chroma, height: height / 2, width: width / 2},
    fullRange, colorSpace: colorSpace.toJSON(),
  };
  return fullRange ? convertRange(planes, (level, black, scale) => black + level * scale) : planes;
}

/** Return the planes of an RGB image, in limited range of BT.709. */
export function toPlanes({data, height, width}) {
  const luma = new Float32Array(width * height), blue = new Float32Array(luma.length);
  const red = new Float32Array(luma.length);
  for (let i = 0; i < luma.length; i++) {
    const [r, g, b] = data.subarray(3 * i, 3 * i + 3);
    luma[i] = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    blue[i] = (b - luma[i]) / 1.8556;
    red[i] = (r - luma[i]) / 1.5748;
  }
  const rows = height >> 1, columns = width >> 1;
  const chroma = new Uint8ClampedArray(rows * columns * 2);
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const i = 2 * (y * width + x);
      for (const plane of [blue, red]) {
        const mean = (plane[i] + plane[i + 1] + plane[i + width] + plane[i + width + 1]) / 4;
        chroma[to++] = GRAY + mean * CHROMA_LEVELS / 255;
      }
    }
  }
  const bytes = Uint8ClampedArray.from(luma, (level) => BLACK + level * (WHITE - BLACK) / 255);
  return {
    luma: {data: bytes, height, width},
    chroma: {data: chroma, height: rows, width: columns},
    fullRange: false, colorSpace: BT709,
  };
}

/** Return planes whose last row and column are repeated up to a size. */
export function padPlanes(planes, height, width) {
  const pad = (plane, channels, rows, columns) => {
    if (plane.height === rows && plane.width === columns) return plane;
    const data = new Uint8Array(rows * columns * channels);
    for (let y = 0, to = 0; y < rows; y++) {
      const row = Math.min(y, plane.height - 1) * plane.width;
      for (let x = 0; x < columns; x++) {
        const from = channels * (row + Math.min(x, plane.width - 1));
        for (let channel = 0; channel < channels; channel++) data[to++] = plane.data[from + channel];
      }
    }
    return {data, height: rows, width: columns};
  };
  return {
    ...planes,
    luma: pad(planes.luma, 1, height, width),
    chroma: pad(planes.chroma, 2, height / 2, width / 2),
  };
}

/** Return the input of a thumbnail port: Y, Cb and Cr of the planes, resized by area. */
export function makePlanesThumbnail({luma, chroma}, height, width) {
  const data = new Uint8Array(3 * chroma.height * chroma.width);
  for (let y = 0, to = 0, from = 0; y < chroma.height; y++) {
    for (let x = 0; x < chroma.width; x++) {
      const i = 2 * (y * luma.width + x), below = i + luma.width;
      data[to++] =
          (luma.data[i] + luma.data[i + 1] + luma.data[below] + luma.data[below + 1] + 2) >> 2;
      data[to++] = chroma.data[from++];
      data[to++] = chroma.data[from++];
    }
  }
  return makeThumbnail({data, height: chroma.height, width: chroma.width}, height, width);
}

/** Return the upper left of padded planes of a model as a VideoFrame, for a canvas. */
export function toVideoFrame(luma, chroma, paddedSize, {luma: {height, width}, ...planes}) {
  const [rows, columns] = paddedSize;
  let result = {
    luma: {data: luma, height: rows, width: columns},
    chroma: {data: chroma, height: rows / 2, width: columns / 2},
  };
  if (planes.fullRange) {
    result = convertRange(result, (level, black, scale) => (level - black) / scale);
  }
  const data = new Uint8Array(1.5 * rows * columns);
  data.set(result.luma.data);
  data.set(result.chroma.data, rows * columns);
  return new VideoFrame(data, {
    format: 'NV12', codedWidth: columns, codedHeight: rows, timestamp: 0,
    visibleRect: {x: 0, y: 0, width, height}, colorSpace: planes.colorSpace,
  });
}

/** Return planes whose bytes are converted between full and limited range. */
function convertRange(planes, convert) {
  const apply = (plane, black, origin, levels) => {
    const table = Uint8ClampedArray.from(
        {length: 256}, (_, level) => origin + convert(level - origin, black - origin, levels / 255));
    return {...plane, data: plane.data.map((level) => table[level])};
  };
  return {
    ...planes,
    luma: apply(planes.luma, BLACK, 0, WHITE - BLACK),
    chroma: apply(planes.chroma, GRAY, GRAY, CHROMA_LEVELS),
  };
}
