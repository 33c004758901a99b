// The way of a sound: chosen or recorded -> asked for -> drawn and heard.

import {Player, wavOf} from './player.js';
import {decode, Recorder} from './sound.js';
import {GRADIENT, Spectrogram} from './spectrogram.js';

const $ = (id) => document.getElementById(id);
const DECIBELS = 20 / Math.log(10);  // Of a natural logarithm.

const recorder = new Recorder();
let limits;  // Of the server.
let sound;  // Samples to copy, at its rate.
let asking;  // Ends the request that is being answered.
let player;  // Of the copy that is being heard.

/** A spectrogram, and the player of what it shows. */
class Panel {
  constructor(id) {
    this.heading = $(id).querySelector('h2');
    this.audio = $(id).querySelector('audio');
    this.head = $(id).querySelector('.playhead');
    this.spectrogram = new Spectrogram($(id).querySelector('.plot'));
    this.audio.onplay = () => this.follow(
      () => this.audio.paused ? null : this.audio.currentTime);
  }

  hear(blob) {
    this.forget();
    this.audio.src = URL.createObjectURL(blob);
    this.audio.hidden = false;
    return this.audio.src;
  }

  forget() {
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute('src');
    this.audio.hidden = true;
  }

  /** Moves the playhead until `position` gives null. */
  follow(position) {
    this.position = position;
    const step = () => {
      if (this.position !== position) return;
      const seconds = position();
      this.head.hidden = seconds === null;
      if (seconds === null) return;
      const whole = this.spectrogram.total * limits.hop_samples /
        limits.sample_rate_hz;
      this.head.style.left = `${100 * Math.min(seconds / whole, 1)}%`;
      requestAnimationFrame(step);
    };
    step();
  }
}

const recording = new Panel('recording');
const copy = new Panel('copy');

function say(sentence, wrong = false) {
  $('status').textContent = sentence;
  $('status').classList.toggle('wrong', wrong);
}

const round = (number, digits) => Number.isFinite(number) ?
  number.toFixed(digits) : '–';
const decibels = (logarithm) =>
  Math.round(DECIBELS * logarithm).toString().replace('-', '\u2212');
const secondsOf = (samples) => samples / limits.sample_rate_hz;

/** Which buttons can be pressed now. */
function enable() {
  const busy = Boolean(asking) || recorder.active;
  $('speak').disabled = !sound || busy;
  $('stop').disabled = !asking && !player;
  $('file').disabled = busy;
  $('record').disabled = Boolean(asking);
}

async function begin() {
  const answer = await fetch('limits');
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.refusal);
  limits = told;
  const most = limits.most_frames * limits.hop_samples;
  $('about').textContent = `${limits.model}: ` +
    `${limits.sample_rate_hz.toLocaleString('en')} Hz, ` +
    `at most ${+secondsOf(most).toFixed(1)} s`;
  $('student').disabled = !limits.chunk_frames;
  $('teacher').disabled = !limits.teacher_chunk_frames;
  if ($('student').disabled) $('teacher').checked = true;
}

/** A file, or what the microphone heard, is what will be copied. */
async function choose(blob, name) {
  sound = undefined;
  enable();
  try {
    if (!limits) await begin();
    sound = await decode(blob, name, limits);
    recording.hear(blob);
    $('chosen').textContent =
      `${name}, ${round(secondsOf(sound.length), 1)} s`;
    say('Press Speak to hear the copy.');
  } catch (error) {
    say(error.message, true);
  }
  enable();
}

async function record() {
  if (recorder.active) {
    recorder.stop();
    return;
  }
  const pressed = (yes) => {
    $('record').setAttribute('aria-pressed', yes);
    $('record-label').textContent = yes ? 'Stop recording' : 'Record';
  };
  try {
    if (!limits) await begin();
    const most = limits.most_frames * limits.hop_samples;
    await recorder.start(secondsOf(most) - 0.5, (blob) => {
      pressed(false);
      choose(blob, 'Your recording');
    });
    pressed(true);
    say('The microphone is on. Say a sentence.');
  } catch (error) {
    say(error.message, true);
  }
  enable();
}

/** The lines of an answer, as they come, each a JSON value. */
async function* linesOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

/** Base64 -> the bytes as an array of a type. */
const numbers = (text, Type) =>
  new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

async function speak() {
  const asked = performance.now();
  const by = document.querySelector('[name=by]:checked').value;
  const pieces = [];
  let samples = 0;
  let firstSound = NaN;
  player?.close();
  const heard = new Player(limits.sample_rate_hz);
  player = heard;
  asking = new AbortController();
  copy.forget();
  copy.heading.textContent = `Copy by the ${by}`;
  $('download').hidden = true;
  for (const id of ['first-sound', 'real-time-factor', 'spoken']) {
    $(id).textContent = '–';
  }
  say(`The ${by} speaks.`);
  enable();
  $('stop').focus();
  let ended = false;
  try {
    const answer = await fetch(`speak?by=${by}&seed=${$('seed').value}`, {
      method: 'POST', body: sound, signal: asking.signal,
      headers: {'Content-Type': 'application/octet-stream'},
    });
    if (!answer.ok) throw new Error((await answer.json()).refusal);
    copy.follow(() => heard.position());
    for await (const line of linesOf(answer)) {
      if (line.refusal) throw new Error(line.refusal);
      if (line.frames) beginPictures(line);
      if (line.recording) {
        recording.spectrogram.add(numbers(line.recording, Float32Array));
      }
      if (line.copy) copy.spectrogram.add(numbers(line.copy, Float32Array));
      if (line.audio) {
        const piece = numbers(line.audio, Int16Array);
        const waited = performance.now() - asked;
        const delay = heard.add(piece);
        if (!pieces.length) firstSound = waited + delay;
        pieces.push(piece);
        samples += piece.length;
        $('first-sound').textContent = `${round(firstSound, 0)} ms`;
        $('real-time-factor').textContent =
          round(waited / 1000 / secondsOf(samples), 2);
        $('spoken').textContent = `${round(secondsOf(samples), 2)} s`;
      }
      ended ||= Boolean(line.end);
    }
    if (!ended) throw new Error('The answer broke off.');
    say(`The ${by} has spoken ${round(secondsOf(samples), 1)} s in ` +
      `${round((performance.now() - asked) / 1000, 1)} s.`);
  } catch (error) {
    const stopped = error.name === 'AbortError';
    say(stopped ? 'Stopped.' : error.message, !stopped);
  }
  asking = undefined;
  heard.finish(() => {
    if (player === heard) player = undefined;
    enable();
  });
  if (samples) {
    $('download').href = copy.hear(wavOf(pieces, limits.sample_rate_hz));
    $('download').download = `copy_by_${by}.wav`;
    $('download').hidden = false;
    copy.spectrogram.describe(`Log-mel spectrogram of the copy, ` +
      `${round(secondsOf(samples), 1)} seconds.`);
  }
  enable();
  if (document.activeElement === $('stop')) $('speak').focus();
}

/** Both on one scale of time, of hertz and of loudness. */
function beginPictures({frames, bins, loudest}) {
  for (const {spectrogram} of [recording, copy]) {
    spectrogram.begin(frames, bins, limits, loudest);
  }
  $('quietest').textContent = decibels(limits.silence);
  $('loudest').textContent = decibels(loudest);
  recording.spectrogram.describe('Log-mel spectrogram of the recording, ' +
    `${round(secondsOf(sound.length), 1)} seconds.`);
}

function stop() {
  asking?.abort();
  player?.close();
  player = undefined;
  enable();
}

$('scale').querySelector('.colours').style.background = GRADIENT;
$('file').onchange = () => {
  const [file] = $('file').files;
  if (file) choose(file, file.name);
};
$('record').onclick = record;
$('stop').onclick = stop;
$('form').onsubmit = (event) => {
  event.preventDefault();
  speak();
};
addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dropping');
});
for (const end of ['dragleave', 'drop']) {
  addEventListener(end, () => document.body.classList.remove('dropping'));
}
addEventListener('drop', (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file && !asking && !recorder.active) choose(file, file.name);
});
begin().catch((error) => say(error.message, true)).finally(enable);
