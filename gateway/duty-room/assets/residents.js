// The lead's page of resident cards: one by one in a form, or all out of a spreadsheet.
const byId = (id) => document.getElementById(id);
const english = document.documentElement.lang === "en";
const said = (text) => (english ? text.en : text.zh);

async function post(path, kind, body) {
  byId("mistakes").hidden = true;
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": kind }, body, signal: AbortSignal.timeout(30000),
    });
    const answer = await response.json();
    if (response.ok) return answer;
    byId("said").textContent = said(answer.error.text);
    showMistakes(answer.error.mistakes ?? []);
  } catch {
    byId("said").textContent = english ? "The duty room does not answer" : "值班室没有应答";
  }
  byId("said").scrollIntoView({ block: "center" });
  return null;
}

function showMistakes(mistakes) {
  byId("mistakes").hidden = !mistakes.length;
  byId("mistakes").tBodies[0].replaceChildren(...mistakes.map((mistake) => {
    const row = document.createElement("tr");
    for (const text of [mistake.row, mistake.column, said(mistake)]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
}

byId("import").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = event.target.elements.file.files[0];
  if (file && (await post("/api/v1/residents/import", "text/csv", file))) location.reload();
});

byId("card").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = event.target.elements;
  const text = (name) => fields[name].value.trim();
  const contacts = [1, 2, 3].map((n) => ({ name: text("contact" + n), phone: text(`contact${n}_phone`) }));
  const card = {
    hearing: text("hearing"), can_open: fields.can_open.checked, oxygen: fields.oxygen.checked,
    born: text("born") ? Number(text("born")) : null,
    key_holder: { name: text("key_holder"), phone: text("key_phone") },
    contacts: contacts.filter((one) => one.name || one.phone),
  };
  for (const name of ["building", "entrance", "room", "name", "phone", "dialect", "notes", "consent", "keep_until"]) {
    card[name] = text(name);
  }
  if (await post("/api/v1/residents", "application/json", JSON.stringify(card))) location.reload();
});

function edit(card) {
  const fields = byId("card").elements;
  byId("card").reset();
  const contacts = Object.fromEntries(card.contacts.flatMap((one, n) => [
    ["contact" + (n + 1), one.name], [`contact${n + 1}_phone`, one.phone],
  ]));
  const all = { ...card, ...contacts, key_holder: card.key_holder.name, key_phone: card.key_holder.phone };
  for (const [name, value] of Object.entries(all)) {
    if (!fields[name]) continue;
    if (fields[name].type === "checkbox") fields[name].checked = value;
    else fields[name].value = value ?? "";
  }
  byId("card").scrollIntoView();
  fields.phone.focus();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".edit")) edit(JSON.parse(button.dataset.card));
  if (!button?.matches(".remove")) return;
  // A second press means it.
  if (!button.dataset.asked) {
    button.dataset.asked = "yes";
    button.textContent = button.dataset.sure;
  } else if (await post(`/api/v1/residents/${button.dataset.number}/remove`, "application/json", "{}")) {
    location.reload();
  }
});
