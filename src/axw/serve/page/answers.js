// The answer of one model: what it says first, then what it looked at.

import { element, percent, signed, word } from "./dom.js";
import { bars, drawn, folded, reading, table } from "./pictures.js";

const SHORT = 64; // words whose attention the server shows

const notes = (answer) => (answer.notes ?? []).map((note) => element("p", { class: "note" }, word(note, 400)));
const said = (...inside) => element("p", { class: "answer" }, ...inside);

function chances(answer, before) {
  const sorted = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, 12).map(([label, value]) => {
    const was = before?.probabilities?.[label];
    return { label, value, text: percent(value) + (was === undefined ? "" : ` (${signed(100 * (value - was), 1)})`) };
  });
  return [bars(shown, "Probabilities", 1), sorted.length > 12 ? element("p", { class: "note" }, `Shown are 12 of ${sorted.length} classes.`) : null];
}

function prediction(answer, before) {
  const value = answer.prediction;
  const parts = [];
  if (answer.probabilities) parts.push(said(word(value), ` ${percent(answer.probabilities[value])}`), ...chances(answer, before));
  else if (typeof value === "number") parts.push(said(String(Number(value.toPrecision(6)))));
  else parts.push(table(["", "prediction"], Object.entries(value).map(([name, number]) => [name, String(Number(number.toPrecision(6)))])));
  if (before && typeof value === "number" && typeof before.prediction === "number") {
    parts.push(element("p", { class: "delta" }, `${signed(value - before.prediction)} against before`));
  } else if (before && before.prediction !== value && answer.probabilities) {
    parts.push(element("p", { class: "delta" }, "before: ", word(before.prediction)));
  }
  return parts;
}

// Each returns {main, more}: more(ask) asks for what the model looked at, and is shown below.
export const show = {
  table(answer, before) {
    return [...prediction(answer, before), ...notes(answer)];
  },
  sentences(answer, before) {
    return [...prediction(answer, before), ...notes(answer)];
  },
  words(answer, before, use) {
    const parts = [said(word(answer.text, 2000))];
    for (const mask of answer.masks) {
      parts.push(element("h3", {}, answer.masks.length > 1 ? `[MASK] ${mask.mask}` : "[MASK]"));
      parts.push(bars(mask.guesses.map((guess) => ({ label: guess.word, value: guess.probability, text: percent(guess.probability) })), "Guesses", 1));
      const seen = mask.attended.flatMap((each, i) => [i ? ", " : "", word(each.word), ` ${percent(each.weight)}`]);
      if (seen.length) parts.push(element("p", { class: "soft small" }, "attended to: ", ...seen));
    }
    const put = element("button", { type: "button" }, "Take this line as the next question");
    put.addEventListener("click", () => use(answer.text));
    return [...parts, element("div", { class: "row" }, put), ...notes(answer)];
  },
  translation(answer) {
    const others = answer.others.length
      ? folded("The next best", table(["translation", "score"], answer.others.map((each) => [each.text, each.score.toFixed(3)]))) : null;
    return [said(word(answer.text || "(nothing)", 4000)), element("p", { class: "soft small" }, `score ${answer.score.toFixed(3).replace("-", "\u2212")}`), others, ...notes(answer)];
  },
  trees(answer) {
    return [element("pre", { tabindex: "0", "aria-label": "The tree in brackets" }, answer.tree), ...notes(answer)];
  },
};

// The question that asks what the model looked at, in words or in pieces of them; null where the line is too long for it, or there
// is nothing to ask about.
export function lookAt(model, question, answer, unit) {
  if (model.kind === "table") return { ...question, pictures: true };
  const line = question.lines[0], target = { translation: answer.text, trees: answer.tree }[model.kind];
  const words = (text) => text.split(/\s+/).filter(Boolean).length;
  if (!line.trim() || words(line) > SHORT || (model.kind === "translation" && words(target) > SHORT)) return null;
  return { line, unit, pictures: true, ...(target?.trim() && target.length <= 8192 ? { target } : {}) };
}

// What the model looked at: the pictures, and for text the words to click. `other`: the words of the other model's answer.
export function looked(model, seen, unit, other) {
  const pictures = seen.pictures ? drawn(seen.pictures) : [];
  if (!seen.reads) return [...pictures, ...notes(seen)];
  if (!seen.target.length || !seen.source.length) return [element("p", { class: "soft" }, "There are no words to look at.")];
  const differs = other && unit === "words" && model.kind === "translation" ? (text) => !other.includes(text) : null;
  const one = unit === "words" ? "Word" : "Piece", said = `${one} by ${one.toLowerCase()}`;
  return [...pictures, element("h3", {}, said), reading(seen, { same: model.kind !== "translation", differs, one: one.toLowerCase() }), ...notes(seen)];
}
