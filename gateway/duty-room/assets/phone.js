// On the phone: for five minutes what sounds is held low and nothing is spoken, so that the operator hears whom they
// called. A new emergency is never held: a short double tone, at once and every ten seconds until somebody has seen it.
import { byId, criesOf, isCounted, isEmergency, say, words } from "./words.js";
import { hush } from "./speech.js";
import { loudOnce, quieter } from "./sound.js";

const LASTS = 300000;
const AGAIN = 10000;
const now = () => performance.now();

let until = 0;
// Emergencies that came while the operator was on the phone.
let fresh = new Set();
let ringAt = 0;

// Milliseconds that are left of it.
export const phoneLeft = () => Math.max(0, until - now());

export function begin() {
  until = now() + LASTS;
  hush();
  draw();
}

export function end() {
  until = 0;
  draw();
}

export const toggle = () => (phoneLeft() ? end() : begin());

// New cries, as the list brings them.
export function brought(cries) {
  const those = cries.filter(isEmergency).flatMap(criesOf);
  if (!phoneLeft() || !those.length) return;
  those.forEach((cry) => fresh.add(cry));
  ringAt = 0;
}

// A few times a second.
export function beat(items) {
  if (!phoneLeft()) fresh.clear();
  const waits = items.some((one) => isEmergency(one) && isCounted(one) && criesOf(one).some((cry) => fresh.has(cry)));
  if (waits && now() >= ringAt && loudOnce("urgent")) ringAt = now() + AGAIN;
  draw();
}

function draw() {
  const left = Math.ceil(phoneLeft() / 1000);
  quieter(left > 0);
  const word = left ? say(words.phone_left, { left: Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0") }) : words.phone_short;
  const button = byId("phone");
  if (button.textContent !== word) button.textContent = word;
  button.setAttribute("aria-pressed", String(left > 0));
}
