// What runs now, what finished and one task's log, live from the change feed. Every text is set as text, never as HTML.
"use strict";

const API = "/api/v1";
const UNKNOWN = "–";
const OPEN = ["pending", "running"];
const SHOWN = 50;
const KEPT = 400;
const LINES = 200;
const SHAPES = {
  pending: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
  running: "M2.5 1v10l8-5z",
  completed: "M1.5 6.5l3 3l6-7",
  again: "M10 6a4 4 0 1 1-1.4-3M10 1v2.6H7.4",
  failed: "M2 2l8 8M10 2l-8 8",
  timeout: "M2 2l8 8M10 2l-8 8",
  cancelled: "M2 6h8",
};
const FILLED = ["running"];

const tasks = new Map();
const state = { chosen: null, lastEntry: 0, drawn: false, overview: null, stream: null };
const at = (id) => document.getElementById(id);

function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  const { text, ...attributes } = options;
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function statusMark(task) {
  const again = task.status === "pending" && task.run_number > 1;
  const shape = again ? "again" : task.status;
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  mark.setAttribute("viewBox", "0 0 12 12");
  mark.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[shape] ?? SHAPES.pending);
  path.setAttribute("fill", FILLED.includes(shape) ? "currentColor" : "none");
  path.setAttribute("stroke", FILLED.includes(shape) ? "none" : "currentColor");
  path.setAttribute("stroke-width", "1.75");
  mark.append(path);
  const word = again ? "pending again" : task.status;
  const cancelling = OPEN.includes(task.status) && task.cancel_requested_at ? " (cancelling)" : "";
  const guessed = task.inferred ? " (inferred)" : "";
  return element("span", { class: `status ${shape}` }, mark, element("span", { text: word + cancelling + guessed }));
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let left = whole;
  const told = [];
  for (const [size, unit] of parts) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) told.push(`${count} ${unit}`);
  }
  return told.slice(0, 2).join(" ");
}

function lasted(task) {
  if (!task.started_at) return null;
  const end = task.finished_at ? Date.parse(task.finished_at) : Date.now();
  return Math.max(end - Date.parse(task.started_at), 0) / 1000;
}

function clock(text) {
  if (!text) return element("span", { text: UNKNOWN });
  const moment = new Date(text);
  const today = new Date().toDateString() === moment.toDateString();
  const shown = today ? moment.toLocaleTimeString() : moment.toLocaleString();
  return element("time", { text: shown, datetime: text, title: `${moment.toISOString()} UTC` });
}

function percent(value) {
  return value === null || value === undefined ? UNKNOWN : `${Math.round(value)} %`;
}

function progress(task) {
  const box = element("span", { class: "progress" });
  if (task.progress !== null) {
    box.append(element("progress", { max: 100, value: task.progress, "aria-label": "progress" }));
  }
  box.append(element("span", { text: percent(task.progress) }));
  return box;
}

function nameCell(task) {
  const run = task.run_number > 1 ? ` (run ${task.run_number})` : "";
  const open = element("button", { type: "button", text: (task.name ?? "(not named yet)") + run });
  open.addEventListener("click", () => choose(task.id));
  const told = [task.phase, task.message].filter(Boolean).join(" · ");
  const cell = element("td", { class: "name" }, open);
  if (told) cell.append(element("small", { text: told, title: told }));
  return cell;
}

function row(task, ...last) {
  return element(
    "tr",
    { class: task.id === state.chosen ? "chosen" : "" },
    element("td", {}, statusMark(task)),
    nameCell(task),
    element("td", { text: task.agent ?? UNKNOWN }),
    element("td", { text: task.project ?? UNKNOWN }),
    ...last,
  );
}

function draw() {
  state.drawn = false;
  const focused = document.activeElement?.closest?.("tr")?.dataset?.task;
  const all = [...tasks.values()];
  const open = all.filter((task) => OPEN.includes(task.status));
  open.sort((a, b) => (a.status === b.status ? b.created_at.localeCompare(a.created_at) : a.status === "running" ? -1 : 1));
  const ended = all.filter((task) => !OPEN.includes(task.status));
  ended.sort((a, b) => (b.finished_at ?? "").localeCompare(a.finished_at ?? ""));
  fill(at("running"), open, (task) => row(task, element("td", {}, progress(task)),
    element("td", { class: "number", text: duration(lasted(task)) })));
  fill(at("finished"), ended, (task) => row(task, element("td", {}, clock(task.finished_at)),
    element("td", { class: "number", text: duration(lasted(task)) })));
  at("running-empty").hidden = open.length > 0;
  at("running-empty").textContent = all.length ? "Nothing runs." : "Waiting for the first task…";
  at("finished-empty").hidden = ended.length > 0;
  drawCounts();
  if (focused) document.querySelector(`tr[data-task="${CSS.escape(focused)}"] button`)?.focus();
  if (state.chosen && tasks.has(state.chosen)) document.title = `${tasks.get(state.chosen).name ?? "task"} · Headway`;
}

function fill(body, found, make) {
  body.replaceChildren(...found.slice(0, SHOWN).map((task) => {
    const made = make(task);
    made.dataset.task = task.id;
    return made;
  }));
}

function drawCounts() {
  if (!state.overview) return;
  const names = ["running", "pending", "completed", "failed", "timeout", "cancelled"];
  at("counts").replaceChildren(...names.map((name) => element("div", {},
    element("dt", {}, statusMark({ status: name, run_number: 1 })),
    element("dd", { text: String(state.overview[name] ?? UNKNOWN) }))));
}

function drawSoon() {
  if (state.drawn) return;
  state.drawn = true;
  requestAnimationFrame(draw);
}

function keep(found) {
  for (const task of found) tasks.set(task.id, task);
  const ended = [...tasks.values()].filter((task) => !OPEN.includes(task.status));
  ended.sort((a, b) => (a.finished_at ?? "").localeCompare(b.finished_at ?? ""));
  for (const task of ended.slice(0, Math.max(ended.length - KEPT, 0))) {
    if (task.id !== state.chosen) tasks.delete(task.id);
  }
}

async function ask(path) {
  const answer = await fetch(API + path, { headers: { Accept: "application/json" } });
  if (answer.status === 401) {
    notice("You are not signed in. `headway open` opens this page signed in; `headway up` prints a link.");
    tell("not signed in", true);
    state.stream?.close();
  }
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

async function load() {
  const [open, ended] = await Promise.all([
    ask("/tasks?status=running&status=pending&limit=200"),
    ask("/tasks?status=completed&status=failed&status=cancelled&status=timeout&limit=50"),
  ]);
  tasks.clear();
  keep([...open.items, ...ended.items]);
  drawSoon();
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = false;
}

function tell(text, lost) {
  at("connection").textContent = text;
  at("connection").classList.toggle("lost", lost);
}

function follow() {
  const stream = new EventSource(`${API}/stream`);
  state.stream = stream;
  let begun = false;
  stream.addEventListener("open", () => tell("live", false));
  stream.addEventListener("error", () => tell("reconnecting…", true));
  stream.addEventListener("overview", async (event) => {
    state.overview = JSON.parse(event.data);
    drawSoon();
    if (!begun) {
      // The lists are read after the stream has its place in the feed, so nothing falls between the two.
      begun = true;
      await load().catch((error) => notice(error.message));
    }
  });
  stream.addEventListener("tasks", (event) => {
    const told = JSON.parse(event.data);
    keep(told.tasks);
    for (const gone of told.deleted) tasks.delete(gone);
    drawSoon();
    if (told.tasks.some((task) => task.id === state.chosen)) refreshTask();
  });
  stream.addEventListener("resync", () => load().catch((error) => notice(error.message)));
}

async function choose(id) {
  state.chosen = id;
  state.lastEntry = 0;
  at("log").replaceChildren();
  at("task").hidden = false;
  history.replaceState(null, "", `#${id}`);
  drawSoon();
  await refreshTask();
  at("close").focus();
}

function close() {
  const id = state.chosen;
  state.chosen = null;
  at("task").hidden = true;
  document.title = "Headway";
  history.replaceState(null, "", "/");
  drawSoon();
  if (id) document.querySelector(`tr[data-task="${CSS.escape(id)}"] button`)?.focus();
}

let refreshing = null;
async function refreshTask() {
  if (refreshing) {
    refreshing.again = true;
    return;
  }
  refreshing = { again: false };
  try {
    await drawTask(state.chosen);
  } catch (error) {
    notice(error.message);
  } finally {
    const again = refreshing.again;
    refreshing = null;
    if (again && state.chosen) setTimeout(refreshTask, 200);
  }
}

async function drawTask(id) {
  if (!id) return;
  const first = state.lastEntry === 0;
  const lines = first ? `limit=${LINES}&newest=true` : `limit=${LINES}&after=${state.lastEntry}`;
  const [task, status, log] = await Promise.all([
    ask(`/tasks/${encodeURIComponent(id)}`),
    ask(`/status/${encodeURIComponent(id)}`),
    ask(`/tasks/${encodeURIComponent(id)}/logs?${lines}`),
  ]);
  if (id !== state.chosen) return;
  at("task-name").textContent = task.name ?? "(not named yet)";
  const facts = [
    ["status", statusMark(task)],
    ["progress", progress(task)],
    ...(task.finished_at ? [] : [["remaining", element("span", { text: remaining(status) })]]),
    ["phase", element("span", { text: [task.phase, task.message].filter(Boolean).join(" · ") || UNKNOWN })],
    ["agent", element("span", { text: [task.agent, task.agent_id].filter(Boolean).join(" ") || UNKNOWN })],
    ["project", element("span", { text: task.project ?? UNKNOWN })],
    ["started", clock(task.started_at)],
    ["ended", clock(task.finished_at)],
    ["took", element("span", { text: duration(lasted(task)) })],
    ["LLM calls", element("span", { text: cost(task) })],
    ["id", element("span", { text: task.id })],
  ];
  at("task-facts").replaceChildren(...facts.flatMap(([name, value]) => [
    element("dt", { text: name }), element("dd", {}, value)]));
  const error = task.error;
  at("task-error").hidden = !error;
  at("task-error").textContent = error ? [`${error.type ?? "Error"}: ${error.message ?? ""}`, error.stack].filter(Boolean).join("\n\n") : "";
  for (const entry of log.items) {
    if (entry.entry_seq <= state.lastEntry) continue;
    state.lastEntry = entry.entry_seq;
    at("log").append(line(entry));
  }
  while (at("log").childElementCount > 2 * LINES) at("log").firstElementChild.remove();
  at("log-empty").hidden = at("log").childElementCount > 0;
}

function remaining(status) {
  if (!status.eta) return `${UNKNOWN} (${status.eta_reason})`;
  const { low, median, high, sample_size: size } = status.eta;
  return `${duration(median)} (80 %: ${duration(low)} to ${duration(high)}, from ${size})`;
}

function cost(task) {
  if (!task.llm_calls) return "none";
  const unpriced = task.unpriced_calls ? `, ${task.unpriced_calls} without a price` : "";
  return `${task.llm_calls} for ${task.cost_usd === null ? UNKNOWN : `$${task.cost_usd}`}${unpriced}`;
}

function line(entry) {
  return element("li", { class: entry.level },
    clock(entry.at), element("span", { text: entry.level }), element("span", { text: entry.message ?? "" }));
}

async function signOut() {
  await fetch(`${API}/auth/logout`, { method: "POST" });
  location.reload();
}

at("close").addEventListener("click", close);
at("sign-out").addEventListener("click", signOut);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.chosen) close();
});
setInterval(drawSoon, 5000);

ask("/me").then(() => {
  at("sign-out").hidden = false;
  follow();
  if (location.hash.length > 1) choose(decodeURIComponent(location.hash.slice(1)));
}).catch((error) => { if (at("notice").hidden) notice(error.message); });
