// Plays a camera live: fragments of one picture each come over a WebSocket and go into a media source.
//
// First come the pictures that the newest one needs, back to the last sync sample: they are gathered, and it begins at
// the newest. There it is kept, a moment behind; when it falls further behind (the tab slept, the line stalled) it jumps.
// A jump decodes all from the last sync sample on: so rarely, and until the next one it plays faster.
// Whatever ends the connection, it is tried again until the person wants something else, ever less often.

import { liveUrl } from "./api.js";
import { SECOND } from "./clock.js";

const BEHIND = 0.05; // seconds
const LATE = 0.2; // from here on it plays faster, the more so the later it is
const MOST_BEHIND = 0.6; // from here on it jumps
const JUMP_APART = 5 * SECOND;
const GATHER = SECOND; // so long it is waited for the newest picture before something older is shown
const MOST_WAITING_BYTES = 48 << 20; // that the browser did not take yet: the server sends at most 16 MiB at once
const RETRY = SECOND;
const MOST_RETRY = 8 * SECOND;
const SETTLED = 10 * SECOND; // a connection that lasted so long was none that fails again and again

const MOOF = 0x6d6f6f66;
const FLAGS_AT = 96; // of a fragment's one sample
const NOT_SYNC = 0x10000;

export class Live {
  static kept = 20; // seconds of what was shown

  /** `on.time(ms)` follows the picture, `on.notice(text)` is what to tell the person, "" for nothing. */
  constructor(video, on) {
    this.video = video;
    this.on = on;
    this.camera = null;
    this.wanted = true; // playing, not paused
    this.zeroMs = 0;
    this.tries = 0;
    video.addEventListener("error", () => this.source && this.interrupted());
    this.follow();
  }

  /** The wall time of the picture. */
  get wallMs() {
    return this.video.readyState ? this.zeroMs + this.video.currentTime * 1000 : Date.now();
  }

  play(camera) {
    this.stop();
    this.camera = camera;
    this.wanted = true;
    this.tries = 0;
    this.video.classList.add("shown");
    this.connect();
  }

  stop() {
    this.camera = null;
    this.disconnect();
    this.video.classList.remove("shown");
    this.on.notice("");
  }

  /** What is paused stands still; going on is going to the present. */
  toggle() {
    this.wanted = !this.wanted;
    if (this.wanted) this.keepUp();
    else this.video.pause();
  }

  /** `begin` is "next" where the present group of pictures cannot be shown. */
  connect(begin = "now") {
    if (begin === "now") this.on.notice("Loading");
    this.waiting = [];
    this.waitingBytes = 0;
    this.syncs = []; // moments shortly before the sync samples that the browser has
    this.gatherUntil = 0;
    this.jumpedAt = -JUMP_APART;
    this.beganAt = performance.now();
    this.socket = new WebSocket(liveUrl(this.camera.id, begin));
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.begin(JSON.parse(data)) : this.add(data));
    this.socket.onclose = ({ reason }) => this.again(`${reason || "The server does not answer"}. Trying again`);
  }

  disconnect() {
    clearTimeout(this.retry);
    if (this.socket) this.socket.onmessage = this.socket.onclose = null;
    this.socket?.close();
    this.socket = this.source = this.buffer = null;
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute("src");
    this.video.load();
  }

  again(text) {
    this.disconnect();
    this.on.notice(text);
    if (performance.now() - this.beganAt > SETTLED) this.tries = 0;
    this.retry = setTimeout(() => this.connect(), Math.min(RETRY * 2 ** this.tries++, MOST_RETRY));
  }

  /** The browser cannot decode what came: not every one gets over a lost picture. The next group does not need it. */
  interrupted() {
    this.disconnect();
    this.on.notice("The picture was interrupted. Waiting for the next whole one");
    this.retry = setTimeout(() => this.connect("next"), RETRY);
  }

  /** What comes from here on: the first description, or another after the camera or the recorder began anew. */
  begin(media) {
    this.zeroMs = Date.parse(media.zero);
    this.present = (Date.parse(media.now) - this.zeroMs) / 1000;
    if (!MediaSource.isTypeSupported(media.mime)) {
      this.disconnect();
      this.on.notice(`This browser cannot show ${media.mime}`);
    } else if (this.source) {
      this.waiting.push(() => this.buffer.changeType(media.mime));
    } else {
      this.gatherUntil = performance.now() + GATHER;
      const source = (this.source = new MediaSource());
      source.addEventListener("sourceopen", () => source === this.source && this.open(media.mime), { once: true });
      this.video.src = URL.createObjectURL(source);
    }
  }

  open(mime) {
    this.buffer = this.source.addSourceBuffer(mime);
    this.buffer.addEventListener("updateend", () => this.took());
    this.pump();
  }

  add(fragment) {
    this.waiting.push(fragment);
    this.waitingBytes += fragment.byteLength;
    if (this.waitingBytes > MOST_WAITING_BYTES) this.again("The browser does not keep up. Trying again");
    else this.pump();
  }

  pump() {
    if (!this.buffer || this.buffer.updating || !this.waiting.length) return;
    const next = this.waiting.shift();
    if (typeof next === "function") {
      next();
      this.pump();
      return;
    }
    const pieces = [next];
    while (this.waiting.length && typeof this.waiting[0] !== "function" && !beginsGroup(this.waiting[0])) {
      pieces.push(this.waiting.shift());
    }
    this.append(pieces);
  }

  append(pieces) {
    const { buffered } = this.video;
    if (beginsGroup(pieces[0]) && buffered.length) this.syncs.push(buffered.end(buffered.length - 1) - MOST_BEHIND);
    const joined = join(pieces);
    this.waitingBytes -= joined.length;
    try {
      this.buffer.appendBuffer(joined);
    } catch {
      this.interrupted();
    }
  }

  took() {
    if (!this.buffer) return;
    if (this.wanted) this.keepUp();
    if (!this.forget()) this.pump();
  }

  /** Lets go of what was shown long ago. Up to a sync sample: browsers remove all that depends on what is removed. */
  forget() {
    if (this.buffer.updating) return false; // something came between the end of the last and its event
    const before = this.video.currentTime - Live.kept;
    const shown = this.syncs.filter((sync) => sync < before);
    if (!shown.length) return false;
    this.syncs = this.syncs.slice(shown.length);
    this.buffer.remove(0, shown.at(-1));
    return true;
  }

  keepUp() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length || video.seeking) return;
    const now = performance.now();
    const start = buffered.start(buffered.length - 1);
    const end = buffered.end(buffered.length - 1);
    if (end < this.present - MOST_BEHIND && now < this.gatherUntil) return;
    this.gatherUntil = 0;
    const behind = end - video.currentTime;
    if (video.currentTime < start || (behind > MOST_BEHIND && now - this.jumpedAt > JUMP_APART)) {
      video.currentTime = Math.max(start, end - BEHIND);
      this.jumpedAt = now;
    }
    video.playbackRate = behind <= LATE ? 1 : 1 + Math.min(1, Math.ceil(behind * 5) / 5);
    if (video.paused) video.play().then(() => this.on.notice(""), () => {});
  }

  follow() {
    const shown = (_now, frame) => {
      if (this.camera && this.source) this.on.time(this.zeroMs + frame.mediaTime * 1000);
      this.video.requestVideoFrameCallback(shown);
    };
    if ("requestVideoFrameCallback" in HTMLVideoElement.prototype) this.video.requestVideoFrameCallback(shown);
  }
}

/** Whether a fragment's picture is a sync sample. Its header is always laid out the same. */
function beginsGroup(fragment) {
  const view = new DataView(fragment);
  return view.getUint32(4) === MOOF && !(view.getUint32(FLAGS_AT) & NOT_SYNC);
}

/** Pieces behind each other: to take a long group picture by picture would take the browser seconds. */
function join(pieces) {
  const joined = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(new Uint8Array(piece), at);
    at += piece.byteLength;
  }
  return joined;
}
