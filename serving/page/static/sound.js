// Sounds come in: a file or the microphone -> samples at the model's rate.

const MOST_FILE_BYTES = 100e6;

/**
 * What any browser decodes, mono and at the rate of the model.
 * @param {Blob} blob a file, or what the microphone gave.
 * @param {string} name for sentences.
 * @param {object} limits of the server.
 * @return {Float32Array} in [-1, 1].
 * @throws {Error} with a sentence for the user.
 */
export async function decode(blob, name, limits) {
  const rate = limits.sample_rate_hz;
  const most = limits.most_frames * limits.hop_samples / rate;
  if (blob.size > MOST_FILE_BYTES) {
    throw new Error(`${name}: found ${megabytes(blob.size)}, expected at ` +
      `most ${megabytes(MOST_FILE_BYTES)}. Choose a shorter recording.`);
  }
  let sound;
  try {
    // A context decodes to its own rate.
    const context = new OfflineAudioContext(1, 1, rate);
    sound = await context.decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw new Error(`${name}: found nothing that this browser can decode, ` +
      'expected a recording such as WAV, FLAC, MP3 or Ogg.');
  }
  if (sound.duration > most) {
    throw new Error(`${name}: found ${sound.duration.toFixed(1)} s, expected ` +
      `at most ${+most.toFixed(1)} s. Choose a shorter recording.`);
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach(
      (value, i) => { mono[i] += value / sound.numberOfChannels; });
  }
  return mono;
}

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/** The microphone, from `start` to `stop`, for at most so many seconds. */
export class Recorder {
  /**
   * @param {number} mostSeconds after which it stops by itself.
   * @param {function(Blob)} done gets the recording.
   * @throws {Error} with a sentence for the user.
   */
  async start(mostSeconds, done) {
    let stream;
    try {
      // Undefined where a page is neither local nor encrypted.
      stream = await navigator.mediaDevices.getUserMedia({audio: {
        echoCancellation: false, noiseSuppression: false,
        autoGainControl: false,
      }});
    } catch (error) {
      throw new Error(`The microphone: ${error.message}. Allow it in the ` +
        'browser, open the page as localhost, or choose a file.');
    }
    const parts = [];
    this.recorder = new MediaRecorder(stream);
    this.recorder.ondataavailable = (event) => parts.push(event.data);
    this.recorder.onstop = () => {
      clearTimeout(this.timer);
      stream.getTracks().forEach((track) => track.stop());
      done(new Blob(parts, {type: this.recorder.mimeType}));
    };
    this.recorder.start();
    this.timer = setTimeout(() => this.stop(), 1000 * mostSeconds);
  }

  get active() {
    return this.recorder?.state === 'recording';
  }

  stop() {
    if (this.active) this.recorder.stop();
  }
}
