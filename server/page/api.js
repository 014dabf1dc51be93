// The API, as this page uses it. Every failure is a Problem with a sentence for people.

export class Problem extends Error {
  constructor(status, type, text) {
    super(text);
    this.status = status;
    this.type = type;
  }

  get noFootage() {
    return this.type === "urn:hulta:problem:no-footage";
  }
}

async function ask(path, query, options) {
  const target = `/api/v1/${path}${query ? `?${new URLSearchParams(query)}` : ""}`;
  let response;
  try {
    response = await fetch(target, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "", "The server does not answer.");
  }
  if (response.ok) return response;
  const body = options?.method === "HEAD" ? null : await response.json().catch(() => null);
  const type = body?.type ?? (response.status === 404 ? "urn:hulta:problem:no-footage" : "");
  throw new Problem(response.status, type, body?.detail || body?.title || `The server answers ${response.status}.`);
}

const instant = (when) => (typeof when === "number" ? new Date(when).toISOString() : when);
const range = (from, to) => ({ from: instant(from), to: instant(to) });
const camera = (id) => `cameras/${encodeURIComponent(id)}`;

export const listCameras = async (options) => (await ask("cameras", null, options)).json();

/** What there is to say about cameras beyond their state, by id; of most nothing. */
export async function readRemarks(options) {
  const said = await (await ask("remarks", null, options)).json();
  return new Map(said.map((each) => [each.id, each]));
}

/** The timeline of a range. Its times are there twice: to the microsecond as text, and in milliseconds. */
export async function readTimeline(id, from, to, options) {
  const answer = await (await ask(`${camera(id)}/timeline`, range(from, to), options)).json();
  const timed = (part) => ({ ...part, fromMs: Date.parse(part.from), toMs: Date.parse(part.to) });
  return Object.fromEntries(
    ["spans", "gaps", "expired", "missing", "pending"].map((kind) => [kind, answer[kind].map(timed)]),
  );
}

export const liveUrl = (id, begin) =>
  `${location.origin.replace(/^http/, "ws")}/api/v1/${camera(id)}/live?begin=${begin}`;

export const videoUrl = (id, from, to) => `/api/v1/${camera(id)}/video.mp4?${new URLSearchParams({ from, to })}`;

/**
 * What a video of this range would be: its URL, the time of its first frame, and where it ends. The URL names the
 * range that is answered, not the one that was asked for, so it stands for the same bytes ever after.
 */
export async function describeVideo(id, wantedFrom, wantedTo, options) {
  const query = range(wantedFrom, wantedTo);
  const { headers } = await ask(`${camera(id)}/video.mp4`, query, { ...options, method: "HEAD" });
  const from = headers.get("Hulta-From");
  const to = headers.get("Hulta-To");
  const firstMs = Date.parse(headers.get("Hulta-First-Frame"));
  return { url: videoUrl(id, from, to), firstMs, to, toMs: Date.parse(to) };
}
