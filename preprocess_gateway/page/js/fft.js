/** The power spectrum of a frame: a radix-2 Fourier transform (Cooley and Tukey, 1965) under a Hann window. */

export class Spectrum {
  /** @param {number} size samples of a frame, a power of two */
  constructor(size) {
    if (size < 2 || (size & (size - 1)) !== 0) throw new RangeError(`${size} is no power of two`);
    this.size = size;
    this.window = Float32Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
    this.cosines = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.sines = Float64Array.from({ length: size / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / size));
    this.real = new Float64Array(size);
    this.imaginary = new Float64Array(size);
  }

  /**
   * Decibels of bins 0 .. size / 2 - 1; a sine of full scale is at 0 dB. Samples past the end count as silence.
   * @param {Float32Array} samples
   * @param {number} start
   * @returns {Float32Array}
   */
  decibels(samples, start) {
    this.load(samples, start);
    this.transform();
    const scale = 4 / this.size; // half of a sine's energy is at negative frequencies, half goes to the window
    return Float32Array.from({ length: this.size / 2 }, (_, k) => {
      const amplitude = scale * Math.hypot(this.real[k] ?? 0, this.imaginary[k] ?? 0);
      return 20 * Math.log10(Math.max(amplitude, 1e-7));
    });
  }

  /**
   * The windowed frame in bit-reversed order.
   * @param {Float32Array} samples
   * @param {number} start
   */
  load(samples, start) {
    const bits = Math.log2(this.size);
    for (let n = 0; n < this.size; n += 1) {
      let reversed = 0;
      for (let bit = 0; bit < bits; bit += 1) reversed |= ((n >> bit) & 1) << (bits - 1 - bit);
      this.real[reversed] = (samples[start + n] ?? 0) * (this.window[n] ?? 0);
    }
    this.imaginary.fill(0);
  }

  transform() {
    const { real, imaginary, size } = this;
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let group = 0; group < size; group += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const cosine = /** @type {number} */ (this.cosines[k * stride]);
          const sine = /** @type {number} */ (this.sines[k * stride]);
          const [a, b] = [group + k, group + k + half];
          const [realB, imaginaryB] = [/** @type {number} */ (real[b]), /** @type {number} */ (imaginary[b])];
          const turnedReal = realB * cosine + imaginaryB * sine;
          const turnedImaginary = imaginaryB * cosine - realB * sine;
          real[b] = /** @type {number} */ (real[a]) - turnedReal;
          imaginary[b] = /** @type {number} */ (imaginary[a]) - turnedImaginary;
          real[a] = /** @type {number} */ (real[a]) + turnedReal;
          imaginary[a] = /** @type {number} */ (imaginary[a]) + turnedImaginary;
        }
      }
    }
  }
}
