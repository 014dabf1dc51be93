// The page: cameras and their days, and a player. State that is worth a link is in the address: #camera@moment.

import { Problem, listCameras, readTimeline } from "./api.js";
import { HOUR, MINUTE, SECOND, dateOf, dayOf, moment, timeOfDay, zoneName } from "./clock.js";
import { DayBar } from "./day_bar.js";
import { Player } from "./player.js";

const CAMERAS_EVERY = 3 * SECOND;
const TIMELINES_EVERY = 6 * SECOND;
const CLOSEUP = 10 * MINUTE;
const RECENT = 30 * SECOND;

const byId = (id) => document.getElementById(id);
const hint = byId("hint");
const rows = new Map(); // camera id -> Row
let day = dayOf(dateOf(Date.now()));
let playing = null; // camera JSON

const isToday = () => day.fromMs <= Date.now() && Date.now() < day.toMs;

class Row {
  constructor(camera) {
    this.camera = camera;
    this.visible = false;
    this.readAt = 0;
    this.element = document.createElement("li");
    this.button = this.element.appendChild(document.createElement("button"));
    this.button.type = "button";
    this.button.className = "name";
    this.title = this.button.appendChild(document.createElement("b"));
    this.line = this.button.appendChild(document.createElement("small"));
    this.button.addEventListener("click", () => this.playNewest());
    this.bar = new DayBar(`Footage of ${camera.name}`, hint, (ms) => play(this.camera, ms));
    this.element.append(this.bar.element);
    this.bar.show(day.fromMs, day.toMs);
    watcher.observe(this.element);
  }

  update(camera) {
    this.camera = camera;
    this.element.className = `${camera.state}${playing?.id === camera.id ? " playing" : ""}`;
    this.title.textContent = camera.name;
    this.line.textContent = [sentence(camera), camera.site].join(" · ");
    this.button.title = `Play the newest footage of ${camera.name}`;
  }

  playNewest() {
    const throughMs = this.camera.durable_through ? Date.parse(this.camera.durable_through) : Date.now();
    play(this.camera, throughMs - RECENT);
  }

  async read() {
    this.readAt = Date.now();
    const { fromMs, toMs } = day;
    const timeline = await readTimeline(this.camera.id, fromMs, Math.min(toMs, Date.now() + SECOND));
    if (fromMs === day.fromMs) this.bar.set(timeline);
  }

  showDay() {
    this.readAt = 0;
    this.bar.set(null);
    this.bar.show(day.fromMs, day.toMs);
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = [...rows.values()].find((one) => one.element === entry.target);
    if (row) row.visible = entry.isIntersecting;
  }
  refreshTimelines();
});

function sentence(camera) {
  const since = camera.since ? ` since ${sinceWhen(Date.parse(camera.since))}` : "";
  const reason = camera.reason && camera.state !== "disabled" ? `, ${camera.reason.replaceAll("_", " ")}` : "";
  return `${camera.state}${reason}${since}`;
}

const sinceWhen = (ms) => (dateOf(ms) === dateOf(Date.now()) ? timeOfDay(ms) : moment(ms));

// --- the list

async function refreshCameras() {
  const cameras = await listCameras();
  const known = new Set(cameras.map((camera) => camera.id));
  for (const [id, row] of rows) {
    if (known.has(id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  for (const camera of cameras) {
    if (!rows.has(camera.id)) {
      rows.set(camera.id, new Row(camera));
      byId("cameras").append(rows.get(camera.id).element);
    }
    rows.get(camera.id).update(camera);
  }
  const count = (state) => cameras.filter((camera) => camera.state === state).length;
  const parts = ["recording", "connecting", "failed", "disabled"].map((state) => [count(state), state]);
  const counts = parts.filter(([number]) => number).map(([number, state]) => `${number} ${state}`);
  byId("summary").textContent = cameras.length ? counts.join(", ") : "";
  byId("empty").hidden = cameras.length > 0;
  openLink();
}

async function refreshTimelines() {
  const oldest = isToday() ? Date.now() - TIMELINES_EVERY : 1;
  const due = [...rows.values()].filter((row) => row.visible && row.readAt < oldest);
  const results = await Promise.allSettled(due.map((row) => row.read()));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/** Do it now and again, whatever comes of it. */
function keepDoing(work, every) {
  const round = async () => {
    try {
      await work();
      document.body.classList.remove("offline");
    } catch (error) {
      byId("summary").textContent = error instanceof Problem ? error.message : "The page has a fault; reload it.";
      document.body.classList.add("offline");
      if (!(error instanceof Problem)) console.error(error);
    }
    setTimeout(round, every);
  };
  round();
}

// --- the day

function showDay(date) {
  day = dayOf(date);
  byId("date").value = date;
  drawHours(byId("hours"), day.fromMs, day.toMs, window.innerWidth < 900 ? 6 * HOUR : 2 * HOUR);
  for (const row of rows.values()) row.showDay();
  refreshTimelines().catch(() => {});
}

function drawHours(element, fromMs, toMs, step) {
  element.replaceChildren();
  for (let ms = Math.ceil(fromMs / step) * step; ms < toMs; ms += step) {
    const mark = element.appendChild(document.createElement("span"));
    mark.textContent = timeOfDay(ms).slice(0, 5);
    mark.style.left = `${((ms - fromMs) / (toMs - fromMs)) * 100}%`;
  }
}

// --- the player

const notice = byId("notice");
const player = new Player([...document.querySelectorAll("#screen video")], {
  time: showTime,
  notice(text) {
    notice.textContent = text;
    notice.hidden = !text;
  },
});

const closeup = new DayBar("Ten minutes around the picture", hint, (ms) => player.seek(ms));
const closeupHours = document.createElement("div");
closeupHours.className = "hours";
byId("closeup").append(closeup.element, closeupHours);
let closeupReadAt = 0;

function play(camera, ms) {
  playing = camera;
  byId("player").hidden = false;
  byId("playing").textContent = camera.name;
  for (const row of rows.values()) {
    row.update(row.camera);
    row.bar.play(null);
  }
  closeup.set(null);
  closeupReadAt = 0;
  player.play(camera, ms);
  showTime(ms);
  showPaused();
  byId("screen").scrollIntoView({ block: "nearest" });
}

function showTime(ms) {
  const shown = moment(ms);
  if (byId("wall").textContent !== shown) {
    byId("wall").textContent = shown;
    byId("wall").dateTime = new Date(ms).toISOString();
    history.replaceState(null, "", `#${encodeURIComponent(playing.name)}@${new Date(ms).toISOString()}`);
  }
  rows.get(playing.id)?.bar.play(ms);
  if (ms < closeup.fromMs + MINUTE || ms > closeup.toMs - MINUTE) {
    closeup.show(ms - CLOSEUP / 2, ms + CLOSEUP / 2);
    drawHours(closeupHours, closeup.fromMs, closeup.toMs, MINUTE);
    closeupReadAt = 0;
  }
  closeup.play(ms);
  if (Date.now() - closeupReadAt > TIMELINES_EVERY) readCloseup();
}

async function readCloseup() {
  closeupReadAt = Date.now();
  const { fromMs, toMs } = closeup;
  const timeline = await readTimeline(playing.id, fromMs, toMs).catch(() => null);
  if (timeline && fromMs === closeup.fromMs) closeup.set(timeline);
}

function closePlayer() {
  player.stop();
  rows.get(playing?.id)?.bar.play(null);
  playing = null;
  byId("player").hidden = true;
  history.replaceState(null, "", location.pathname);
  for (const row of rows.values()) row.update(row.camera);
}

function showPaused() {
  byId("toggle").textContent = player.wanted ? "Pause" : "Play";
}

function toggle() {
  player.toggle();
  showPaused();
}

const step = (ms) => player.seek(player.wallMs + ms);

/** A link to a moment is followed once the cameras are known. */
let link = decodeURIComponent(location.hash.slice(1));
function openLink() {
  const [, name, when] = link.match(/^(.*)@([^@]+)$/) ?? [];
  link = "";
  const row = [...rows.values()].find((one) => one.camera.name === name);
  if (row && !Number.isNaN(Date.parse(when))) {
    showDay(dateOf(Date.parse(when)));
    play(row.camera, Date.parse(when));
  }
}

// --- what people do

const shiftDay = (days) => showDay(dateOf(day.fromMs + 12 * HOUR, days));
byId("day-before").addEventListener("click", () => shiftDay(-1));
byId("day-after").addEventListener("click", () => shiftDay(1));
byId("today").addEventListener("click", () => showDay(dateOf(Date.now())));
byId("date").addEventListener("change", (event) => event.target.value && showDay(event.target.value));
byId("day").addEventListener("submit", (event) => event.preventDefault());
byId("toggle").addEventListener("click", toggle);
byId("back").addEventListener("click", () => step(-10 * SECOND));
byId("forward").addEventListener("click", () => step(10 * SECOND));
byId("newest").addEventListener("click", () => rows.get(playing.id)?.playNewest());
byId("close").addEventListener("click", closePlayer);
byId("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
byId("screen").addEventListener("click", toggle);
byId("screen").addEventListener("keydown", (event) => {
  if (event.key === " ") toggle();
  else if (event.key === "ArrowLeft") step(-10 * SECOND);
  else if (event.key === "ArrowRight") step(10 * SECOND);
  else if (event.key === "Escape") closePlayer();
  else return;
  event.preventDefault();
});

byId("zone").textContent = zoneName();
showDay(dateOf(Date.now()));
keepDoing(refreshCameras, CAMERAS_EVERY);
keepDoing(refreshTimelines, SECOND);
