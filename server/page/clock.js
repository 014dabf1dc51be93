// Time as people here read it. Days are days of this browser's time zone, which are 23 or 25 hours long twice a year.

const two = (number) => String(number).padStart(2, "0");

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export const zoneName = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The local day with this ISO date: when it begins and ends. */
export function dayOf(date) {
  const [year, month, day] = date.split("-").map(Number);
  return { fromMs: new Date(year, month - 1, day).getTime(), toMs: new Date(year, month - 1, day + 1).getTime() };
}

/** The ISO date of a moment, in local time, some days later. */
export function dateOf(ms, days = 0) {
  const moment = new Date(ms);
  moment.setDate(moment.getDate() + days);
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** 14:03:09, local. */
export function timeOfDay(ms) {
  const moment = new Date(ms);
  return `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}

/** 2026-11-23 14:03:09, local. */
export const moment = (ms) => `${dateOf(ms)} ${timeOfDay(ms)}`;

/** 3 s, 4 min, 2 h 5 min. */
export function duration(ms) {
  if (ms < 2 * MINUTE) return `${Math.max(1, Math.round(ms / SECOND))} s`;
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}
