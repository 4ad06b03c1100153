// Numbers as people read them: few digits, always with their unit, and always as wide as before.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NONE = { value: "–", unit: "" };
const known = (number) => typeof number === "number" && Number.isFinite(number);
const of = (value, unit) => ({ value, unit });

/** Three digits that mean something: 0.84, 8.4, 84, 840. */
const digits = (number) => {
  if (number === 0) return "0";
  if (number < 1) return number.toFixed(2);
  return number < 10 ? number.toFixed(1) : whole.format(number);
};

/** 1,234 */
export const count = (number, unit = "") => (known(number) ? of(whole.format(number), unit) : NONE);

/** Per second. */
export const rate = (number) => (known(number) ? of(number > 0 && number < 0.1 ? "< 0.1" : digits(number), "/s") : NONE);

/** A duration that was measured, in seconds; µs, ms or s by its size. */
export function took(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 0.001) return of(whole.format(seconds * 1e6), "µs");
  return seconds < 1 ? of(digits(seconds * 1000), "ms") : of(digits(seconds), "s");
}

/** Bytes in KiB, MiB or GiB. */
export function bytes(number) {
  if (!known(number)) return NONE;
  const power = number < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(number) / 10));
  return of(power ? digits(number / 1024 ** power) : whole.format(number), ["B", "KiB", "MiB", "GiB", "TiB"][power]);
}

/** How long ago or for how long, in seconds: 4 s, 12 min, 3 h 05 min, 2 d 4 h. */
export function ago(seconds) {
  if (!known(seconds)) return "–";
  const s = Math.max(0, Math.floor(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** One text of a number and its unit. */
export const text = ({ value, unit }) => (unit ? `${value}\u00a0${unit}` : value);

const two = (number) => String(number).padStart(2, "0");

/** A moment in ms as the reader's clock shows it: the time, and before it the date when that is not today. */
export function moment(ms) {
  if (!known(ms)) return "–";
  const at = new Date(ms);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === new Date().toDateString()) return clock;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
}

/** "1 letter", "2 letters". */
export const plural = (number, one, many = `${one}s`) => `${known(number) ? whole.format(number) : "–"} ${number === 1 ? one : many}`;
