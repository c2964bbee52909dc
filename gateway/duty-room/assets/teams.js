// Who works on a case besides the desk: whom it was sent to and whether they know, the departments that were whistled for
// and those missing, who can go, the pictures, and the links to send by hand.
import { clockText, make, say, words } from "./words.js";
import { picture } from "./call.js";

// Links that were made last, and of which case.
let links = { of: null, items: [] };

export function made(known) {
  if (known.links?.length) links = { of: known.id, items: known.links };
}

export function show(known) {
  const boxes = [sent(known), departments(known), broadcast(known), photos(known), linkBox(known)];
  return boxes.filter((box) => box.children.length);
}

function sent(known) {
  const box = make("div", "teams");
  for (const one of known.dispatched) {
    const text = one.answered ? `${one.name} ${clockText(one.answered.at)} ${words.step_receive}` : `${one.name} … ${words.not_received}`;
    box.append(make("span", one.answered ? "team good" : "team", text));
  }
  return box;
}

function departments(known) {
  const box = make("div", "teams");
  if (!known.departments.length) return box;
  box.append(make("span", "at", `${words.loop_large} · ${words.step_whistle} `));
  for (const one of known.departments) {
    const text = one.answered ? `${one.name} ${clockText(one.answered.at)} ${words["step_report_in"]}` : `${one.name} ${words.missing}`;
    box.append(make("span", one.answered ? "team good" : "team bad", text));
  }
  return box;
}

function broadcast(known) {
  const box = make("div", "teams");
  const task = known.broadcast;
  if (!task) return box;
  box.append(make("b", "", say(words.who_goes_count, { needed: task.needed, going: task.going, arrived: task.arrived }) + " "));
  for (const one of task.asked) {
    if (!one.going) continue;
    const text = one.arrived ? `${one.name} ${clockText(one.arrived)} ${words.step_arrive}` : `${one.name} ${clockText(one.going)} ${words.step_claim}`;
    box.append(make("span", one.arrived ? "team good" : "team", text));
  }
  return box;
}

function photos(known) {
  const box = make("div", "photos");
  for (const name of known.photos) {
    const link = make("a");
    const shown = make("img");
    link.href = shown.src = `/api/v1/cases/${encodeURIComponent(known.id)}/photos/${encodeURIComponent(name)}`;
    link.target = "_blank";
    shown.alt = words.step_photo;
    shown.loading = "lazy";
    link.append(shown);
    box.append(link);
  }
  return box;
}

function linkBox(known) {
  const box = make("section", "links");
  if (links.of !== known.id) return box;
  box.append(make("h3", "", words.link_title));
  const text = links.items.map((one) => say(words.link_message, { person: one.person, url: one.url })).join("\n");
  const field = make("textarea");
  field.readOnly = true;
  field.rows = Math.min(6, 2 * links.items.length);
  field.value = text;
  field.setAttribute("aria-label", words.link_title);
  const copy = make("button", "", words.copy);
  copy.type = "button";
  copy.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard?.writeText(text).catch(() => {});
    copy.textContent = words.copied;
  });
  box.append(field, make("p", "actions", copy));
  const code = links.items.length === 1 && links.items[0].qr;
  if (code) box.append(make("div", "code", picture(code)));
  box.append(make("p", "hint", words.link_hint));
  return box;
}

// 转大循环: the departments of the field above it, or those that were called already; never without a reason.
function goUp(known, { form, field, step, split }, departments) {
  if (known.gone_up || known.loop === "large") return [];
  const why = field(words.go_up_why, "case-up");
  return [form("go-up", words.step_go_up, () => {
    const named = split(departments.value);
    if (!named.length && !known.departments.length) return departments.focus();
    if (!why.value.trim()) return why.focus();
    step("go-up", { departments: named, note: why.value.trim() });
  }, why)];
}

// The forms: `form`, `field` and `step` are the case's own.
export function forms(known, { form, field, step }) {
  const whistle = field(words.departments, "case-departments");
  const split = (text) => text.split(/[\s,，、;；]+/).filter(Boolean);
  const many = field(words.how_many, "case-needed");
  many.inputMode = "numeric";
  const people = field(words.who_people, "case-people");
  const boxes = [
    form("whistle", words.step_whistle, () => split(whistle.value).length && step("whistle", { departments: split(whistle.value) }), whistle),
    ...goUp(known, { form, field, step, split }, whistle),
    form("broadcast", words.who_goes, () => {
      const needed = Number(many.value.normalize("NFKC"));
      const named = split(people.value);
      if (!Number.isInteger(needed) || needed < 1) return many.focus();
      // One word that is a grid asks everybody of it.
      const grid = named.length === 1 && /^[a-z0-9-]+$/i.test(named[0]) ? named[0] : null;
      return step("broadcast", grid ? { needed, grid } : { needed, people: named });
    }, many, people),
  ];
  const missing = make("div", "actions");
  for (const name of known.missing) {
    const button = make("button", "plain", `${name} ${words["step_report_in"]}`);
    button.type = "button";
    button.addEventListener("click", () => step("report-in", { department: name }));
    missing.append(button);
  }
  if (known.missing.length) boxes.unshift(missing);
  return boxes;
}
