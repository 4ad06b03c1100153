// Is all well, and how does it move: one sentence, and each figure with its last 15 minutes.

import { chart } from "../chart.js";
import { el, say } from "../dom.js";
import { ago } from "../format.js";
import { FIGURES } from "../figures.js";
import { age, fresh, nodeMs, now, past, watch } from "../live.js";
import { to } from "../routes.js";
import { stateWords } from "../words.js";

/** One figure: `{node, numbers(), picture()}`. */
function figure({ title, about, parts, wide, chart: format }, signal) {
  const old = el("span", { class: "age" });
  const shown = parts.map(({ label, page }) => {
    const value = el("span", {}, "–");
    const unit = el("span", { class: "unit" });
    const whole = el("dd", { class: "value" }, value, unit);
    const name = label || title;
    return { value, unit, whole, pair: el("div", {}, el("dt", { class: label ? null : "visually-hidden" }, page ? el("a", { href: to(page) }, name) : name), whole) };
  });
  const lines = parts.flatMap(({ lines: names }) => names);
  const drawn = chart(title, { labels: parts.map(({ label }) => label), format: format ?? parts[0].format, signal });
  const node = el("section", { class: `figure ${wide ? "span" : ""} ${parts.length > 1 ? "several" : ""}`, "aria-label": title },
    el("div", { class: "head" },
      el("div", {}, el("h2", {}, title), el("div", { class: "note" }, el("span", { class: "about" }, about), old)),
      el("dl", { class: "values" }, shown.map(({ pair }) => pair))),
    drawn.node);

  function numbers() {
    const frame = now.frame;
    if (!frame) return;
    parts.forEach(({ value: read, format: written, look }, i) => {
      const number = read(frame, past);
      const { value, unit } = written(number ?? undefined);
      say(shown[i].value, value);
      say(shown[i].unit, unit);
      shown[i].whole.classList.toggle("look", Boolean(look?.(number)));
    });
    say(old, fresh() ? "" : `${ago(age())} old`);
  }
  const picture = () => drawn.update(past.at, lines.map((name) => past.values[name]), past.step, nodeMs() / 1000);
  return { node, numbers, picture };
}

export const overview = {
  title: "Overview",
  show(main, _where, signal) {
    const text = el("span");
    const link = el("a", { hidden: true });
    const state = el("p", { class: "state off", id: "state" }, el("span", {}, text, link));
    const figures = FIGURES.map((each) => figure(each, signal));
    main.append(el("h1", { class: "visually-hidden" }, "Overview"), state, el("div", { class: "figures" }, figures.map(({ node }) => node)),
      el("p", { class: "note" }, "Each line shows the last 15 minutes, from zero to the number above it. A hole is a time without numbers."));
    let drawnAt = null;
    watch(() => {
      const { kind, text: words, page, link: linked } = stateWords(now, age(), Date.now());
      state.className = `state ${kind}`;
      say(text, page ? `${words} ` : words);
      link.hidden = !page;
      if (page) {
        link.href = to(page);
        say(link, linked);
      }
      for (const { numbers } of figures) numbers();
      if (drawnAt === past.at.at(-1) && past.at.length) return; // a line moves when there is a point more
      drawnAt = past.at.at(-1);
      for (const { picture } of figures) picture();
    }, signal);
  },
};
