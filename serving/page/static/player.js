// Plays samples while they come, and makes a WAV file of them in the end.

// Between what is decided and what sounds.
const LEAD_SECONDS = 0.03;
// After a silence that nobody asked for, until it goes on.
const REFILL_SECONDS = 0.5;

export class Player {
  /** @param {number} rate of the samples, in hertz. */
  constructor(rate) {
    this.rate = rate;
    this.context = new AudioContext({sampleRate: rate});
    this.waiting = [];  // Pieces that are not scheduled yet.
    this.played = [];  // When which sample sounds: [time, sample].
    this.samples = 0;  // Scheduled.
    this.free = 0;  // Time at which the scheduled ones end.
  }

  /**
   * Plays a piece after all before it.
   * @param {Int16Array} piece samples.
   * @return {number} milliseconds until it sounds, or NaN if it has to wait.
   */
  add(piece) {
    this.waiting.push(piece);
    const starved = this.context.currentTime > this.free;
    const held = this.waiting.reduce((sum, p) => sum + p.length, 0) / this.rate;
    return this.samples && starved && held < REFILL_SECONDS ?
      NaN : this.#schedule();
  }

  /** There is no more: what waits is played, and then `done` is called. */
  finish(done) {
    this.#schedule();
    const end = () => {
      this.close();
      done();
    };
    if (this.context.currentTime < this.free) {
      this.last.onended = end;
    } else {
      end();
    }
  }

  /** Seconds of the sound that is heard now, or null after its end. */
  position() {
    if (this.context.state === 'closed') return null;
    const now = this.context.currentTime;
    const [time, sample] =
      this.played.findLast(([time]) => time <= now) ?? [now, 0];
    return Math.min(sample / this.rate + now - time, this.samples / this.rate);
  }

  close() {
    if (this.context.state !== 'closed') this.context.close();
  }

  #schedule() {
    if (!this.waiting.length) return NaN;
    const start = Math.max(this.free, this.context.currentTime + LEAD_SECONDS);
    this.free = start;
    for (const piece of this.waiting.splice(0)) {
      const buffer = this.context.createBuffer(1, piece.length, this.rate);
      const channel = buffer.getChannelData(0);
      piece.forEach((value, i) => { channel[i] = value / 32768; });
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      source.connect(this.context.destination);
      source.start(this.free);
      this.last = source;
      this.played.push([this.free, this.samples]);
      this.samples += piece.length;
      this.free += buffer.duration;
    }
    return 1000 * (start - this.context.currentTime);
  }
}

/** 16-bit samples -> a mono WAV file, canonical header and all. */
export function wavOf(pieces, rate) {
  const bytes = 2 * pieces.reduce((sum, piece) => sum + piece.length, 0);
  const header = new DataView(new ArrayBuffer(44));
  const write = (at, text) => [...text].forEach(
    (letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  write(0, 'RIFF');
  header.setUint32(4, 36 + bytes, true);
  write(8, 'WAVEfmt ');
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);  // PCM
  header.setUint16(22, 1, true);  // channels
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);  // bytes a second
  header.setUint16(32, 2, true);  // bytes a frame
  header.setUint16(34, 16, true);  // bits a sample
  write(36, 'data');
  header.setUint32(40, bytes, true);
  return new Blob([header, ...pieces], {type: 'audio/wav'});
}
