// Files from the phone: a list as it is, a photo made small enough first. What the box says of it is shown. A scan that is
// under way is followed; it goes on at the box while the phone is away.
const MOST = 1600;

async function small(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, MOST / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.8));
}

for (const field of document.querySelectorAll("input[type=file][data-to]")) {
  const said = document.getElementById(`${field.id}-said`);
  field.addEventListener("change", async () => {
    const file = field.files[0];
    if (!file) return;
    said.textContent = "…";
    try {
      const body = field.accept.includes("image") ? await small(file) : file;
      const answer = await fetch(field.dataset.to, { method: "POST", body, signal: AbortSignal.timeout(60_000) });
      if (answer.ok) return void location.reload();
      said.textContent = await answer.text();
    } catch {
      said.textContent = "没传上,请再选一次 · not sent: choose it once more";
    }
    field.value = "";
  });
}

// A device's readings as they are now.
const values = document.querySelector("[data-values]");
async function look() {
  try {
    const answer = await fetch(values.dataset.values, { cache: "no-store", signal: AbortSignal.timeout(8000) });
    const isTold = answer.ok && answer.headers.get("content-type")?.includes("json");
    if (isTold) draw(await answer.json());
    else values.textContent = answer.status === 409 ? await answer.text() : "读不到 · no reading";
  } catch {
    values.textContent = "连接断了,正在重连 · connection lost, trying again";
  }
  setTimeout(look, 2000);
}

function draw(points) {
  values.replaceChildren(...points.map((point) => {
    const line = document.createElement("p");
    const { value, unit, quality, why } = point.value;
    const said = value === null || value === undefined ? (why ?? "–") : `${value}${unit ? " " + unit : ""}`;
    line.textContent = `${point.title.zh} ${point.title.en}: ${said}`;
    line.className = quality;
    line.dataset.point = point.name;
    return line;
  }));
}

async function follow() {
  const said = document.getElementById("running-said");
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(8000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const running = answer.ok && page.getElementById("running");
    if (!running) return void location.reload();
    document.getElementById("running").replaceChildren(...running.children);
    said.textContent = "";
  } catch {
    said.textContent = "连接断了,正在重连;扫描在盒子上继续 · Connection lost, trying again; the scan goes on at the box";
  }
  setTimeout(follow, 1000);
}

if (values) look();
if (document.getElementById("running")) follow();
document.body.dataset.ready = "yes";
