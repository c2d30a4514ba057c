/** Waveform above, spectrogram below, on one canvas; what is not played yet is faint. */

const WAVE_SHARE = 0.34;
const FAINT = 0.3;

/** @typedef {import("./columns.js").Column} Column */

export class Picture {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    this.context = context;
    this.whole = document.createElement("canvas"); // drawn once, shown in two strengths
    /** @type {readonly Column[]} */
    this.columns = [];
    this.slots = 0;
  }

  /**
   * @param {readonly Column[]} columns
   * @param {number} [slots] columns that the width stands for
   */
  set(columns, slots = columns.length) {
    this.columns = columns;
    this.slots = Math.max(1, slots);
    this.render();
  }

  /** Draw again: after a resize, or a change between light and dark. */
  render() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    for (const canvas of [this.canvas, this.whole]) {
      canvas.width = Math.round(clientWidth * ratio);
      canvas.height = Math.round(clientHeight * ratio);
    }
    const context = this.whole.getContext("2d");
    if (!context || !this.whole.width || !this.columns.length) return;
    const colours = new Colours(getComputedStyle(this.canvas));
    const waveHeight = Math.round(this.whole.height * WAVE_SHARE);
    this.drawSpectrogram(context, colours, waveHeight);
    this.drawWave(context, colours, waveHeight);
    this.show(null);
  }

  /**
   * Show up to `played` (0..1) in full strength, the rest faint; null: all in full.
   * @param {number | null} played
   */
  show(played) {
    const { context, canvas, whole } = this;
    if (!whole.width || !whole.height) return;
    const x = played === null ? canvas.width : Math.round(played * canvas.width);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.globalAlpha = FAINT;
    context.drawImage(whole, 0, 0);
    context.globalAlpha = 1;
    if (x > 0) context.drawImage(whole, 0, 0, x, whole.height, 0, 0, x, whole.height);
    if (played === null) return;
    context.fillStyle = getComputedStyle(canvas).getPropertyValue("--ink");
    context.fillRect(Math.min(x, canvas.width - 2), 0, 2, canvas.height);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Colours} colours
   * @param {number} height
   */
  drawWave(context, colours, height) {
    const width = this.whole.width / this.slots;
    const peak = this.columns.reduce((most, { low, high }) => Math.max(most, -low, high), 0.05);
    const scale = (height / 2 - 4) / peak;
    context.fillStyle = colours.wave;
    this.columns.forEach(({ low, high }, index) => {
      const top = height / 2 - high * scale;
      context.fillRect(index * width, top, Math.max(1, width * 0.8), Math.max(1, (high - low) * scale));
    });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Colours} colours
   * @param {number} top
   */
  drawSpectrogram(context, colours, top) {
    const bins = this.columns[0]?.levels.length ?? 1;
    const image = new ImageData(this.columns.length, bins);
    this.columns.forEach(({ levels }, x) => {
      levels.forEach((level, bin) => image.data.set(colours.level(level), 4 * ((bins - 1 - bin) * image.width + x)));
    });
    const small = document.createElement("canvas");
    small.width = image.width;
    small.height = bins;
    small.getContext("2d")?.putImageData(image, 0, 0);
    const width = (this.whole.width * this.columns.length) / this.slots;
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, top, width, this.whole.height - top);
  }
}

/** The page's colours: a ramp for levels, one for the wave. */
class Colours {
  /** @param {CSSStyleDeclaration} style */
  constructor(style) {
    this.wave = style.getPropertyValue("--wave").trim();
    const stops = [0, 1, 2, 3].map((n) => rgb(style.getPropertyValue(`--spec-${n}`).trim()));
    this.ramp = Array.from({ length: 256 }, (_, level) => between(stops, (level / 255) * (stops.length - 1)));
  }

  /** @param {number} level */
  level(level) {
    return this.ramp[level] ?? [0, 0, 0, 255];
  }
}

/**
 * @param {readonly number[][]} stops
 * @param {number} at
 */
function between(stops, at) {
  const index = Math.min(Math.floor(at), stops.length - 2);
  const [low, high] = [stops[index] ?? [], stops[index + 1] ?? []];
  return [...low.map((value, n) => value + ((high[n] ?? value) - value) * (at - index)), 255];
}

/** @param {string} hex as `#rrggbb` */
function rgb(hex) {
  const digits = hex.length === 4 ? [...hex.slice(1)].map((digit) => digit + digit).join("") : hex.slice(1);
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
}
