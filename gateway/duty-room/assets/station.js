// The lead's form of a river station. The ladder goes out as a spreadsheet from the table as from a file, so that both are
// read, and refused by row and column, by the same rules.
import { inWords } from "./outbox.js";

const { station, say: told } = document.body.dataset;
const say = JSON.parse(told);
const one = (selector) => document.querySelector(selector);
const api = `/api/v1/stations/${encodeURIComponent(station)}`;
const rows = one("#ladder").querySelector("table:not(#mistakes)").tBodies[0];

async function post(path, kind, body) {
    try {
        const answer = await fetch(path, { method: "POST", headers: { "Content-Type": kind }, body, signal: AbortSignal.timeout(30000) });
        const taken = await answer.json();
        one("#said").textContent = answer.ok ? say.saved : inWords(taken.error.text);
        return { ok: answer.ok, mistakes: taken.error?.mistakes ?? [] };
    } catch {
        one("#said").textContent = say.no_answer;
        return { ok: false, mistakes: [] };
    } finally {
        one("#said").scrollIntoView({ block: "center" });
    }
}

one("#about").addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = event.target.elements;
    const text = (name) => fields[name].value.normalize("NFKC").trim() || null;
    const day = text("datum_checked");
    await post(`${api}/about`, "application/json", JSON.stringify({
        upstream: text("upstream"), downstream: text("downstream"), datum_checked: day && new Date(`${day}T00:00:00+08:00`).toISOString(),
        grid: text("grid"), phone: text("phone"), village: fields.village.value.trim() || null,
        homes: (text("homes") ?? "").split(/[,、;\s]+/).filter(Boolean),
    }));
});

// `place(line)` gives the row of the table that a line of the file is, if it is one.
function showMistakes(mistakes, place) {
    document.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
    one("#mistakes").hidden = !mistakes.length;
    one("#mistakes").tBodies[0].replaceChildren(...mistakes.map((mistake) => {
        const row = place(mistake.line);
        row?.querySelectorAll("input")[mistake.column - 1]?.setAttribute("aria-invalid", "true");
        const line = document.createElement("tr");
        for (const text of [row ? row.cells[0].textContent : mistake.line, mistake.column, inWords(mistake)]) {
            line.insertCell().textContent = text;
        }
        return line;
    }));
}

const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
one("#ladder").addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = (row) => [...row.querySelectorAll("input")].map((field) => field.value.trim());
    const written = [...rows.rows].filter((row) => values(row).some(Boolean));
    const lines = written.map((row) => {
        const [stage, impact] = values(row);
        return `${quoted(stage.normalize("NFKC"))},${quoted(impact)}`;
    });
    // The heading is the first line.
    const said = await post(`${api}/impacts`, "text/csv", ["stage_m,impact", ...lines].join("\n"));
    showMistakes(said.mistakes, (line) => written[line - 2]);
});

one("#import").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = await post(`${api}/impacts`, "text/csv", event.target.elements.file.files[0]);
    showMistakes(said.mistakes, () => null);
    if (said.ok) location.reload();
});

one("#more").addEventListener("click", () => {
    const row = rows.rows[rows.rows.length - 1].cloneNode(true);
    const number = rows.rows.length + 1;
    row.cells[0].textContent = number;
    row.querySelectorAll("input").forEach((field) => {
        field.value = "";
        field.removeAttribute("aria-invalid");
        field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+$/, number));
    });
    rows.append(row);
    row.querySelector("input").focus();
});
document.body.dataset.ready = "yes";
