// The start of a watch: a touch unlocks the sound, a digit is spoken or beeped, and only who types it has heard it.
// Heard is not seen: a lamp that is green because a context runs would prove nothing about a loudspeaker.
import { byId, clockText, say, words } from "./words.js";
import { canSpeak, speak } from "./speech.js";
import { phoneLeft } from "./phone.js";
import { beeps, muteLeft, running, unlock } from "./sound.js";

const KEPT = "shouwang-watch";
// A shift is the longest that one test counts.
const TEST_LASTS = 12 * 3600 * 1000;

export const watch = { on: false, deaf: false, heardAt: null };
let digit = null;
let started = () => {};

// A person heard this page and its sound runs: it can wake somebody.
export const armed = () => watch.on && !watch.deaf && running();
// On watch without sound: the red bar.
export const soundless = () => watch.on && !armed();

export function prepare(onStart) {
  started = onStart;
  byId("start").addEventListener("click", begin);
  byId("again").addEventListener("click", play);
  byId("deaf").addEventListener("click", () => finish(true));
  byId("digit").addEventListener("input", typed);
  byId("soundless").addEventListener("click", () => (watch.deaf ? begin() : unlock()));
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    if (kept && Date.now() - kept.heardAt < TEST_LASTS) {
      // The page was loaded again during a watch. The browser may want a touch first: then the bar says so.
      Object.assign(watch, kept, { on: true });
      unlock();
    }
  } catch {
    // Nothing kept: the watch begins with its button.
  }
  draw();
}

function begin() {
  unlock();
  watch.on = watch.deaf = false;
  byId("test").hidden = false;
  byId("start").hidden = true;
  byId("digit").value = "";
  byId("digit-said").textContent = canSpeak() ? words.digit_heard : words.digit_beeps;
  draw();
  byId("digit").focus();
  drawDigit();
  setTimeout(play, 200);
}

function drawDigit() {
  const chance = crypto.getRandomValues(new Uint32Array(1))[0];
  // One beep is easily missed, and nought cannot be beeped.
  digit = canSpeak() ? chance % 10 : 2 + (chance % 8);
}

function play() {
  if (canSpeak()) speak(String(digit));
  else beeps(digit);
  byId("digit").focus();
}

function typed(event) {
  if (event.isComposing) return;
  const text = byId("digit").value.normalize("NFKC").trim();
  // Letters of an input method are no answer; anything else is one.
  if (!/\d/.test(text)) return void (byId("digit").value = "");
  if (text === String(digit) && running()) return void finish(false);
  byId("digit").value = "";
  byId("digit-said").textContent = words.digit_wrong;
  drawDigit();
  play();
}

function finish(deaf) {
  Object.assign(watch, { on: true, deaf, heardAt: Date.now() });
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ deaf, heardAt: watch.heardAt }));
  } catch {
    // Private windows keep nothing; this watch goes on all the same.
  }
  byId("digit").blur();
  draw();
  started(deaf);
}

function draw() {
  byId("watch").hidden = watch.on;
  if (watch.on) {
    byId("test").hidden = true;
    byId("start").hidden = false;
  }
}

// Bar, lamp and attribute of the sound, a few times a second.
export function showSound() {
  const bad = soundless();
  byId("soundless").hidden = !bad;
  byId("soundless").textContent = watch.deaf ? words.unheard : words.soundless;
  const lamp = byId("sound");
  const left = Math.ceil(muteLeft() / 1000);
  const word = !armed() ? words.sound
    : left > 0 ? say(words.sound_muted, { left }) : say(words.sound_heard, { at: clockText(watch.heardAt).slice(0, 5) });
  if (lamp.textContent !== word) lamp.textContent = word;
  const held = left > 0 || phoneLeft() > 0;
  lamp.className = "lamp " + (armed() ? (held ? "low" : "good") : "bad");
  document.body.dataset.sound = armed() ? (left > 0 ? "muted" : held ? "phone" : "armed") : watch.on ? "blocked" : "off";
}
