/** Samples as a WAV file, and as what the recorder hands over. */

const HEADER_BYTES = 44;

/**
 * Mono samples in -1..1 as 16-bit PCM; what is louder is clipped.
 * @param {Float32Array} samples
 * @param {number} rate in Hz
 * @returns {Blob}
 */
export function encodeWav(samples, rate) {
  const bytes = samples.length * 2;
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + bytes));
  writeText(view, 0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + bytes, true);
  writeText(view, 8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  writeText(view, 36, "data");
  view.setUint32(40, bytes, true);
  samples.forEach((sample, index) => {
    const clipped = Math.max(-1, Math.min(1, sample));
    view.setInt16(HEADER_BYTES + index * 2, Math.round(clipped * 32767), true);
  });
  return new Blob([view.buffer], { type: "audio/wav" });
}

/**
 * @param {readonly Float32Array[]} chunks
 * @returns {Float32Array<ArrayBuffer>}
 */
export function join(chunks) {
  const joined = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}

/**
 * @param {DataView} view
 * @param {number} at
 * @param {string} text
 */
function writeText(view, at, text) {
  for (let i = 0; i < text.length; i += 1) view.setUint8(at + i, text.charCodeAt(i));
}
