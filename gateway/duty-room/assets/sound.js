// The tones, made here, no files: an emergency sweeps without a pause, the urgent beeps twice every 10 s, the ordinary
// once a minute, the advisory never; a dead page has a low pair of its own.
// A browser lets a page sound only after a person touched it, and may take that back: `running` is asked all the time.

const LOUD = 0.3;
// Nobody came for half a minute.
const LOUDER = 0.6;
const DUCKED = 0.05;
// Seconds ahead that are handed to the audio clock, so that a late beat makes no hole.
const AHEAD = 0.8;
const MUTE = 60000;

// Notes: when, how long (s), how high (Hz).
const TONES = {
  emergency: { every: 1.2, notes: [[0, 0.4, 660], [0.4, 0.4, 880], [0.8, 0.4, 1100]], wave: "square" },
  urgent: { every: 10, notes: [[0, 0.2, 988], [0.35, 0.2, 988]], wave: "square" },
  ordinary: { every: 60, notes: [[0, 0.3, 784]], wave: "triangle" },
  roll: { every: 4, notes: [[0, 0.2, 523], [0.25, 0.2, 659], [0.5, 0.35, 784]], wave: "triangle" },
  dead: { every: 3, notes: [[0, 0.35, 330], [0.45, 0.5, 262]], wave: "square" },
};

let context = null;
let volume = null;
// Beside the volume, for what is never held low.
let aside = null;
let base = LOUD;
let isDucked = false;
let playing = null;
let nextAt = 0;
let mutedUntil = 0;
let frozen = { time: -1, since: 0 };
const sounding = new Set();

// Must be called from a key or a click, else the browser may refuse; `running` tells.
export function unlock() {
  if (!context) {
    context = new AudioContext();
    volume = context.createGain();
    volume.gain.value = LOUD;
    volume.connect(context.destination);
    aside = context.createGain();
    aside.gain.value = LOUD;
    aside.connect(context.destination);
  }
  // May never settle while the browser refuses.
  context.resume().catch(() => {});
}

// Whether what is played can come out: the context runs, and its clock moves.
export function running() {
  if (context?.state !== "running") return false;
  const at = performance.now();
  if (context.currentTime !== frozen.time) frozen = { time: context.currentTime, since: at };
  return at - frozen.since < 1000;
}

function note(at, seconds, hertz, wave, way = volume) {
  const tone = context.createOscillator();
  const edge = context.createGain();
  tone.type = wave;
  tone.frequency.value = hertz;
  // Soft edges, so that it does not crackle.
  edge.gain.setValueAtTime(0, at);
  edge.gain.linearRampToValueAtTime(1, at + 0.01);
  edge.gain.setValueAtTime(1, at + seconds - 0.01);
  edge.gain.linearRampToValueAtTime(0, at + seconds);
  tone.connect(edge).connect(way);
  tone.start(at);
  tone.stop(at + seconds);
  sounding.add(tone);
  tone.onended = () => sounding.delete(tone);
}

function quiet() {
  for (const tone of sounding) tone.stop();
  sounding.clear();
}

// Goes on with the tone of this kind, or begins it; `anew`: something is new, so it sounds now.
export function play(kind, anew) {
  if (muteLeft() > 0) kind = null;
  if (kind !== playing || (anew && kind !== "emergency")) {
    quiet();
    playing = kind;
    nextAt = 0;
  }
  if (!kind || !running()) return;
  const tone = TONES[kind];
  nextAt = Math.max(nextAt, context.currentTime + 0.02);
  while (nextAt < context.currentTime + AHEAD) {
    for (const [after, seconds, hertz] of tone.notes) note(nextAt + after, seconds, hertz, tone.wave);
    nextAt += tone.every;
  }
}

// Sounds this once, beside whatever goes on.
export function once(kind) {
  if (muteLeft() > 0 || !running()) return;
  const { notes, wave } = TONES[kind];
  for (const [after, seconds, hertz] of notes) note(context.currentTime + 0.05 + after, seconds, hertz, wave);
}

// The same, however low the rest is held; false if nothing can come out.
export function loudOnce(kind) {
  if (!running()) return false;
  const { notes, wave } = TONES[kind];
  for (const [after, seconds, hertz] of notes) note(context.currentTime + 0.05 + after, seconds, hertz, wave, aside);
  return true;
}

// What sounds now: a kind of tone, or null.
export const tone = () => (running() ? playing : null);

// For the test of the sound: this many beeps.
export function beeps(count) {
  quiet();
  playing = null;
  for (let n = 0; n < count; n += 1) note(context.currentTime + 0.2 + n * 0.55, 0.25, 880, "triangle");
}

export function duck(low) {
  isDucked = low;
  level();
}

let isQuieter = false;
// The operator is on the phone.
export function quieter(on) {
  if (on === isQuieter) return;
  isQuieter = on;
  level();
}

// An emergency has waited for long.
export function louder(on) {
  if (on === (base === LOUDER)) return;
  base = on ? LOUDER : LOUD;
  level();
}

function level() {
  if (volume) volume.gain.setTargetAtTime(isDucked || isQuieter ? DUCKED : base, context.currentTime, 0.05);
}

// Silence here for a minute; an acknowledgement it is not.
export function mute() {
  mutedUntil = performance.now() + MUTE;
}

export function unmute() {
  mutedUntil = 0;
}

export function muteLeft() {
  return Math.max(0, mutedUntil - performance.now());
}
