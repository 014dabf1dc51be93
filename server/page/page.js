// The page: cameras and their days, and a player. What is worth a link is in the address: #camera@moment, or #camera@live.

import { Problem, listCameras, readRemarks, readTimeline } from "./api.js";
import { CameraRow, RECENT } from "./camera_row.js";
import { HOUR, MINUTE, SECOND, dateOf, moment, zoneName } from "./clock.js";
import { DayBar } from "./day_bar.js";
import { Live } from "./live.js";
import { Player } from "./player.js";
import { View, ZOOMS, drawMarks } from "./view.js";

const CAMERAS_EVERY = 3 * SECOND;
const POINTING = 4 * SECOND;
const CLOSEUP = 10 * MINUTE;
const ADDRESS_EVERY = SECOND; // browsers refuse more than a few changes of the address a second, and at 8x there are 8

const byId = (id) => document.getElementById(id);
const view = new View();
const rows = new Map(); // camera id -> CameraRow
let playing = null; // camera JSON

/** A day changes slowly on a screen, ten minutes do not. */
const refreshEvery = () => (view.toMs - view.fromMs > 2 * HOUR ? 6 : 2) * SECOND;

// --- the list

async function refreshCameras() {
  const [cameras, said] = await Promise.all([listCameras(), readRemarks()]);
  for (const [id, row] of rows) {
    if (cameras.some((camera) => camera.id === id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  for (const camera of cameras) {
    if (!rows.has(camera.id)) addRow(camera);
    rows.get(camera.id).update(camera, playing?.id === camera.id, said.get(camera.id));
  }
  const count = (state) => cameras.filter((camera) => camera.state === state).length;
  const counts = ["recording", "connecting", "failed", "disabled"].map((state) => [count(state), state]);
  const remarked = [...rows.values()].filter((row) => row.rank === 1).length;
  counts.push([remarked, remarked === 1 ? "has a remark" : "have remarks"]);
  byId("summary").textContent = counts.filter(([number]) => number).map((pair) => pair.join(" ")).join(", ");
  byId("empty").hidden = cameras.length > 0;
  sortRows();
  findRows();
  openLink();
}

function addRow(camera) {
  const row = new CameraRow(camera, view, byId("hint"), play);
  rows.set(camera.id, row);
  byId("cameras").append(row.element);
  watcher.observe(row.element);
}

/** Failing ones first. Nothing moves under somebody's pointer, and the focus stays where it is. */
let pointedAt = 0;
function sortRows() {
  if (Date.now() - pointedAt < POINTING) return;
  const list = byId("cameras");
  const name = (row) => row.camera.name;
  const sorted = [...rows.values()].sort((a, b) => a.rank - b.rank || (name(a) < name(b) ? -1 : 1));
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  sorted.forEach((row, place) => {
    if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null);
  });
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** Show those that say what is looked for, and of these the troubled ones alone where that is wanted. */
function findRows() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const troubled = byId("troubled").getAttribute("aria-pressed") === "true";
  let shown = 0;
  for (const row of rows.values()) {
    row.element.hidden = !row.says(words) || (troubled && row.rank > 1);
    shown += !row.element.hidden;
  }
  byId("none").hidden = shown > 0 || !rows.size;
}

/** Only rows on the screen are read: there may be hundreds. */
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = [...rows.values()].find((one) => one.element === entry.target);
    if (row) row.visible = entry.isIntersecting;
  }
});

async function refreshTimelines() {
  if (view.follow()) showView();
  const newest = view.holdsNow ? Date.now() - refreshEvery() : 0;
  const due = [...rows.values()].filter((row) => row.visible && row.readAt <= newest);
  const results = await Promise.allSettled(due.map((row) => row.read()));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  zoomIntoYoungFootage();
}

/** A server that was started five minutes ago has a day of nothing: begin with the part that has something. */
let mayZoom = !location.hash;
function zoomIntoYoungFootage() {
  const read = [...rows.values()].filter((row) => row.bar.timeline);
  if (!mayZoom || !read.length) return;
  mayZoom = false;
  const past = ["spans", "expired", "missing"];
  const starts = read.flatMap((row) => past.flatMap((kind) => row.bar.timeline[kind].map((part) => part.fromMs)));
  const age = Date.now() - Math.min(...starts, Date.now());
  if (age < 8 * MINUTE) setZoom("10m");
  else if (age < 50 * MINUTE) setZoom("1h");
}

/** Do it now and again, whatever comes of it. */
function keepDoing(work, every) {
  const round = async () => {
    try {
      await work();
    } catch (error) {
      byId("summary").textContent = error instanceof Problem ? error.message : "The page has a fault; reload it.";
      if (!(error instanceof Problem)) console.error(error);
    }
    setTimeout(round, every);
  };
  round();
}

// --- the view

function showView() {
  byId("date").value = view.date;
  for (const button of byId("zooms").children) button.setAttribute("aria-pressed", button.value === view.zoom);
  drawMarks(byId("hours"), view.fromMs, view.toMs);
  for (const row of rows.values()) row.move();
}

function changeView(change) {
  mayZoom = false;
  change();
  showView();
  for (const row of rows.values()) row.readAt = 0;
  refreshTimelines().catch(() => {}); // said by the next round
}

const setZoom = (zoom) => changeView(() => view.setZoom(zoom, playing ? screen().wallMs : null));

// --- the player

const tell = {
  time: showTime,
  notice(text) {
    if (byId("notice").textContent === text) return; // it is read aloud whenever it is written
    byId("notice").textContent = text;
    byId("notice").hidden = !text;
  },
};
const player = new Player([...document.querySelectorAll("#screen .piece")], tell);
const live = new Live(byId("live-video"), tell);

/** What the picture comes from: the footage, or the camera. */
const screen = () => (live.camera ? live : player);

const seek = (ms) => (live.camera ? play(playing, ms) : player.seek(ms));
const closeup = new DayBar("Ten minutes around the picture", byId("hint"), seek);
byId("closeup").prepend(closeup.element);
let closeupReadAt = 0;
let addressAt = 0;

/** A moment that has not been recorded yet is the newest that has, of a camera that records. */
function recorded(camera, ms) {
  const now = rows.get(camera.id)?.camera ?? camera;
  const throughMs = Date.parse(now.durable_through);
  return now.state === "recording" && ms > throughMs ? throughMs - RECENT : ms;
}

function play(camera, wantedMs) {
  const ms = recorded(camera, wantedMs);
  show(camera);
  player.play(camera, ms);
  showTime(ms);
  showAddress(ms);
  showPaused();
}

function playLive(camera) {
  show(camera);
  live.play(camera);
  showTime(Date.now());
  showAddress(Date.now());
  showPaused();
}

/** Open the player for a camera, with nothing in it. */
function show(camera) {
  live.stop();
  player.stop();
  rows.get(playing?.id)?.bar.play(null);
  playing = camera;
  byId("player").hidden = false;
  byId("playing").textContent = camera.name;
  for (const row of rows.values()) row.mark(row.camera.id === camera.id);
  closeup.set(null);
  closeupReadAt = 0;
  byId("screen").scrollIntoView({ block: "nearest" });
}

function showTime(ms) {
  const shown = moment(ms);
  if (byId("wall").textContent !== shown) {
    byId("wall").textContent = shown;
    byId("wall").dateTime = new Date(ms).toISOString();
    if (Date.now() - addressAt >= ADDRESS_EVERY) showAddress(ms);
    rows.get(playing.id)?.bar.play(ms);
  }
  if (ms < closeup.fromMs + MINUTE || ms > closeup.toMs - MINUTE) {
    closeup.show(ms - CLOSEUP / 2, ms + CLOSEUP / 2);
    drawMarks(byId("closeup-hours"), closeup.fromMs, closeup.toMs);
    closeupReadAt = 0;
  }
  closeup.play(ms);
  if (Date.now() - closeupReadAt > 2 * SECOND) readCloseup();
}

function showAddress(ms) {
  addressAt = Date.now();
  const moment = live.camera ? "live" : new Date(ms).toISOString();
  history.replaceState(null, "", `#${encodeURIComponent(playing.name)}@${moment}`);
}

async function readCloseup() {
  closeupReadAt = Date.now();
  const { fromMs, toMs } = closeup;
  const timeline = await readTimeline(playing.id, fromMs, toMs).catch(() => null);
  if (timeline && fromMs === closeup.fromMs) closeup.set(timeline);
}

function closePlayer() {
  live.stop();
  player.stop();
  rows.get(playing?.id)?.bar.play(null);
  playing = null;
  byId("player").hidden = true;
  history.replaceState(null, "", location.pathname);
  for (const row of rows.values()) row.mark(false);
}

function showPaused() {
  byId("toggle").textContent = screen().wanted ? "Pause" : "Play";
  byId("live").setAttribute("aria-pressed", String(Boolean(live.camera)));
}

function toggle() {
  screen().toggle();
  showPaused();
}

/** Go a little forwards or backwards; backwards into a gap means the footage before it. */
function step(ms) {
  if (live.camera) {
    if (ms < 0) play(playing, live.wallMs + ms);
    return;
  }
  const wanted = recorded(playing, player.wallMs + ms);
  if (ms > 0 && wanted <= player.wallMs) return; // nothing newer is there
  const read = closeup.timeline ?? rows.get(playing.id)?.bar.timeline; // until the nearer look has come
  const spans = read?.spans ?? [];
  const inside = spans.some((span) => span.fromMs <= wanted && wanted < span.toMs);
  const before = spans.findLast((span) => span.toMs <= wanted);
  player.seek(ms < 0 && !inside && before ? Math.max(before.fromMs, before.toMs - 3 * SECOND) : wanted);
}

/** A link to a moment is followed once the cameras are known. */
let link = decodeURIComponent(location.hash.slice(1));
function openLink() {
  const [, name, when] = link.match(/^(.*)@([^@]+)$/) ?? [];
  link = "";
  const row = [...rows.values()].find((one) => one.camera.name === name);
  if (row && when === "live") playLive(row.camera);
  if (!row || Number.isNaN(Date.parse(when))) return;
  changeView(() => view.showDate(dateOf(Date.parse(when))));
  play(row.camera, Date.parse(when));
}

// --- what people do

byId("before").addEventListener("click", () => changeView(() => view.shift(-1)));
byId("after").addEventListener("click", () => changeView(() => view.shift(1)));
byId("now").addEventListener("click", () => changeView(() => view.now()));
byId("date").addEventListener("change", ({ target }) => target.value && changeView(() => view.showDate(target.value)));
byId("cameras").addEventListener("pointermove", () => (pointedAt = Date.now()));
byId("cameras").addEventListener("pointerleave", () => (pointedAt = 0));
byId("find").addEventListener("input", findRows);
byId("troubled").addEventListener("click", ({ currentTarget }) => {
  currentTarget.setAttribute("aria-pressed", String(currentTarget.getAttribute("aria-pressed") !== "true"));
  findRows();
});
byId("when").addEventListener("submit", (event) => event.preventDefault());
byId("toggle").addEventListener("click", toggle);
byId("back").addEventListener("click", () => step(-10 * SECOND));
byId("forward").addEventListener("click", () => step(10 * SECOND));
byId("newest").addEventListener("click", () => rows.get(playing.id)?.playNewest());
byId("live").addEventListener("click", () => playLive(playing));
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
for (const button of byId("zooms").children) button.addEventListener("click", () => setZoom(button.value));
window.addEventListener("resize", showView);

console.assert([...byId("zooms").children].every((button) => button.value in ZOOMS));
byId("zone").textContent = zoneName();
showView();
keepDoing(refreshCameras, CAMERAS_EVERY);
keepDoing(refreshTimelines, SECOND);
