// Places and alarms spoken, digit by digit, by a voice of this machine. Voices from the net are not used: they are
// silent when the net is, and a person would believe in them.
import { serverNow } from "./live.js";
import { lateOf } from "./rows.js";
import { english, isEmergency, longText, placeFull, say, textOf, words } from "./words.js";

const DIGITS = "零一二三四五六七八九";

function voice() {
  const wanted = english ? "en" : "zh";
  const voices = window.speechSynthesis?.getVoices() ?? [];
  return voices.find((one) => one.localService && one.lang.toLowerCase().startsWith(wanted)) ?? null;
}

export function canSpeak() {
  return voice() !== null;
}

// Speaks; `done` is called when it is over, also if it could not begin.
export function speak(text, done = () => {}) {
  const own = voice();
  if (!own) return void done();
  speechSynthesis.cancel();
  const said = new SpeechSynthesisUtterance(text);
  said.voice = own;
  said.lang = own.lang;
  said.rate = 0.9;
  said.onend = done;
  said.onerror = done;
  speechSynthesis.speak(said);
}

export function hush() {
  window.speechSynthesis?.cancel();
}

// 402 -> 四零二.
export function digitByDigit(text) {
  if (english) return text.replace(/\d/g, (digit) => digit + " ");
  return text.replace(/\d/g, (digit) => DIGITS[digit]);
}

// 12 -> 十二: buildings and entrances are counted, rooms are spelt.
function counted(text) {
  const number = Number(text);
  if (english || !/^[1-9]\d?$/.test(text)) return digitByDigit(text);
  const tens = Math.floor(number / 10);
  const ten = tens ? (tens > 1 ? DIGITS[tens] : "") + "十" : "";
  return ten + (number % 10 || !tens ? DIGITS[number % 10] : "");
}

// "三号楼 二单元 四零二".
export function spokenPlace(item) {
  const { building, entrance, room } = item.place || {};
  if (!building || !room) return digitByDigit(placeFull(item));
  if (english) {
    return [`building ${building}`, entrance && `entrance ${entrance}`, `room ${digitByDigit(room)}`]
      .filter(Boolean).join(", ");
  }
  return [counted(building) + "号楼", entrance && counted(entrance) + "单元", digitByDigit(room)]
    .filter(Boolean).join(" ");
}

// "三号楼 二单元 四零二 烟感报警"; of one that came late also how long ago that was.
export function spokenAlarm(item) {
  const mode = item.mode === "live" ? "" : (words[item.mode] || item.mode) + " ";
  const late = lateOf(item) ? " " + say(words.late, { age: longText(serverNow() - Date.parse(item.raised_at)) }) : "";
  return mode + spokenPlace(item) + " " + textOf(item.text) + late;
}

let announced = "";
let again = 0;

// Says the newest emergency, and again every 15 s while it waits; of the rest each once, when it is new.
export function announce(crying, newest, duck) {
  // The list ends with those that are over but not acknowledged: what still burns is said before them.
  const emergencies = crying.filter(isEmergency);
  const item = emergencies.findLast((one) => one.active) ?? emergencies.at(-1) ?? newest;
  if (!item || !canSpeak()) return;
  const key = item.id + "/" + item.occurrence;
  const at = performance.now();
  if (key === announced && (!isEmergency(item) || at < again)) return;
  announced = key;
  again = at + 15000;
  duck(true);
  speak(spokenAlarm(item), () => duck(false));
}
