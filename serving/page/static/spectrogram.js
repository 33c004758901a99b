// A log-mel drawn frame by frame, on axes of hertz and seconds.

// Magma of matplotlib, at equal steps from quiet to loud.
const COLOURS = [
  [0, 0, 4], [24, 15, 61], [68, 15, 118], [114, 31, 129], [158, 47, 127],
  [205, 64, 113], [241, 96, 93], [253, 150, 104], [254, 202, 141],
  [252, 253, 191],
];
export const GRADIENT =
  `linear-gradient(to right, ${COLOURS.map((c) => `rgb(${c})`)})`;

// Browsers draw no wider pictures; a column may then be several frames.
const MOST_COLUMNS = 4096;
const HERTZ = [0, 500, 1000, 2000, 4000, 8000, 16000];
const SECONDS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60];

// Of TensorFlow's `linear_to_mel_weight_matrix`.
const melOf = (hertz) => 1127 * Math.log1p(hertz / 700);

/** Of a share between 0 and 1, between its two neighbours. */
function colourOf(share) {
  const place = Math.min(Math.max(share, 0), 1) * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[below].map(
    (value, i) => value + (place - below) * (COLOURS[below + 1][i] - value));
}

export class Spectrogram {
  /** @param {HTMLElement} plot with `.hertz`, `.picture` and `.seconds`. */
  constructor(plot) {
    this.plot = plot;
    this.canvas = plot.querySelector('canvas');
    this.frames = 0;
  }

  /**
   * An empty picture and its axes.
   * @param {number} total frames that will come.
   * @param {number} bins of each.
   * @param {object} limits of the server; its silence is the darkest colour.
   * @param {number} loudest value of the log-mel, the brightest.
   */
  begin(total, bins, limits, loudest) {
    const quietest = limits.silence;
    Object.assign(this, {total, quietest, loudest, frames: 0});
    this.framesOfColumn = Math.ceil(total / MOST_COLUMNS);
    this.canvas.width = Math.ceil(total / this.framesOfColumn);
    this.canvas.height = bins;
    this.context = this.canvas.getContext('2d');
    this.#hertz(limits);
    this.#seconds(total * limits.hop_samples / limits.sample_rate_hz);
  }

  /** Draws the next frames: `mel` holds [frames, bins] in a row. */
  add(mel) {
    const bins = this.canvas.height;
    const frames = mel.length / bins;
    const column = this.context.createImageData(1, bins);
    for (let frame = 0; frame < frames; frame++, this.frames++) {
      for (let bin = 0; bin < bins; bin++) {
        const share = (mel[frame * bins + bin] - this.quietest) /
          (this.loudest - this.quietest);
        column.data.set([...colourOf(share), 255], 4 * (bins - 1 - bin));
      }
      this.context.putImageData(
        column, Math.floor(this.frames / this.framesOfColumn), 0);
    }
  }

  describe(sentence) {
    this.plot.setAttribute('aria-label', sentence);
  }

  #hertz({mel_min_hz, mel_max_hz}) {
    const bins = this.canvas.height;
    const low = melOf(mel_min_hz);
    const step = (melOf(mel_max_hz) - low) / (bins + 1);
    // Triangle b peaks at b + 1 steps; its row is b to b + 1 of the picture.
    const shareOf = (hertz) => ((melOf(hertz) - low) / step - 0.5) / bins;
    const ticks = HERTZ.filter((f) => f >= mel_min_hz && f <= mel_max_hz);
    this.#ticks('.hertz', ticks.map((hertz) => [
      'bottom', Math.min(Math.max(shareOf(hertz), 0), 1),
      hertz < 1000 ? `${hertz} Hz` : `${hertz / 1000} kHz`,
    ]));
  }

  #seconds(length) {
    const step = SECONDS.find((s) => length / s <= 7) ?? 120;
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    const ticks = [];
    // The last one keeps off the edge.
    for (let i = 0; i * step <= 0.98 * length; i++) {
      ticks.push(
        ['left', i * step / length, `${(i * step).toFixed(digits)} s`]);
    }
    this.#ticks('.seconds', ticks);
  }

  #ticks(axis, ticks) {
    this.plot.querySelector(axis).replaceChildren(
      ...ticks.map(([side, share, text]) => {
        const tick = document.createElement('span');
        tick.textContent = text;
        tick.style[side] = `${100 * share}%`;
        return tick;
      }));
  }
}
