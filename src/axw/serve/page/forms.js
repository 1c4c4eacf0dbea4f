// The question: a form made from the model's columns, or a line of text.

import { element, word } from "./dom.js";

const HINTS = {
  fill: "A line with [MASK] where a word is to be guessed",
  translate: "A line to translate",
  parse: "A sentence, its words and marks with blanks between them",
  predict: "A line whose class is asked for",
};

export const verbOf = (model) => model.verbs.find((verb) => verb !== "explain");

// The form's fields, and `read()`, the question that they ask; `write(question)` fills them; `clear()` empties them.
export function makeForm(model, form, changed) {
  form.replaceChildren();
  return model.kind === "table" ? rowForm(model, form, changed) : lineForm(model, form, changed);
}

function lineForm(model, form, changed) {
  const verb = verbOf(model);
  const box = element("textarea", { id: "line", rows: 3, maxlength: 8192, spellcheck: "false", dir: "auto" });
  const counter = element("span", { class: "soft small", id: "count", role: "status" });
  const count = () => { counter.textContent = `${box.value.split(/\s+/).filter(Boolean).length} of 256 words`; };
  box.addEventListener("input", () => { count(); changed(); });
  const field = element("div", { class: "field" }, element("label", { for: "line" }, HINTS[verb] ?? "A line"), box);
  const mask = verb === "fill" ? element("button", { type: "button", id: "mask" }, "Hide the selected word") : null;
  mask?.addEventListener("click", () => {
    const [from, to] = wordAround(box.value, box.selectionStart, box.selectionEnd);
    box.value = `${box.value.slice(0, from)}[MASK]${box.value.slice(to)}`;
    count(); changed(); box.focus();
  });
  count();
  form.append(element("div", { class: "fields" }, field), element("div", { class: "row" }, askButton(), mask, counter));
  return {
    first: box,
    read: () => (box.value.trim() ? { lines: [box.value.replace(/\n/g, " ")] } : null),
    write: (text) => { box.value = text; count(); },
    clear: () => { box.value = ""; count(); },
  };
}

function wordAround(text, from, to) {
  while (from > 0 && !/\s/.test(text[from - 1])) from -= 1;
  while (to < text.length && !/\s/.test(text[to])) to += 1;
  return [from, to];
}

const askButton = () => element("button", { type: "submit", class: "main", id: "go" }, "Ask");

function rowForm(model, form, changed) {
  const fields = model.form.columns.map((column, i) => rowField(column, i));
  const named = model.form.id !== null || model.form.named;
  const name = named ? nameField(model.form) : null;
  for (const field of [...fields, ...(name ? [name] : [])]) {
    field.input.addEventListener("input", changed);
  }
  form.append(element("div", { class: "fields" }, fields.map((field) => field.node), name?.node), element("div", { class: "row" }, askButton(),
    element("button", { type: "button", id: "keep" }, "Compare from here")));
  const start = () => fields.forEach((field) => field.write(field.column.typical));
  start();
  return {
    first: fields[0]?.input ?? name?.input,
    fields,
    read: () => {
      const row = new Map(fields.map((field) => [field.column.name, field.read()]));
      const own = name?.read();
      if (own !== null && own !== undefined && model.form.id !== null) row.set(model.form.id, own);
      const question = { rows: [rowObject(row)] };
      if (own !== null && own !== undefined && model.form.named) question.ids = [own];
      return question;
    },
    write: (row) => fields.forEach((field) => field.write(row[field.column.name])),
    clear: start,
  };
}

// An object that holds "__proto__" like any other name.
function rowObject(map) {
  const row = Object.create(null);
  for (const [name, value] of map) Object.defineProperty(row, name, { value, enumerable: true });
  return row;
}

function rowField(column, i) {
  const id = `column-${i}`;
  let input, read, write = (value) => { input.value = value ?? ""; };
  if (column.type === "category") {
    input = element("select", { id }, element("option", { value: "" }, "not known"),
      column.levels.map((level, j) => element("option", { value: String(j + 1) }, level)),
      column.other ? element("option", { value: "other" }, "another value") : null);
    read = () => (input.value === "" ? null : input.value === "other" ? "another value" : column.levels[Number(input.value) - 1]);
    write = (value) => { const at = column.levels.indexOf(value); input.value = at < 0 ? "" : String(at + 1); };
  } else if (column.type === "boolean") {
    input = element("select", { id }, ["not known", "yes", "no"].map((text, j) => element("option", { value: ["", "yes", "no"][j] }, text)));
    read = () => (input.value === "" ? null : input.value === "yes");
    write = (value) => { input.value = value === null || value === undefined ? "" : value ? "yes" : "no"; };
  } else if (column.number) {
    input = element("input", { id, type: "text", inputmode: "decimal", autocomplete: "off" });
    read = () => numberOf(input.value);
  } else {
    const hint = { date: "2026-11-23", duration: "3 days", key: "not known" }[column.type];
    input = element("input", { id, type: "text", maxlength: 8192, autocomplete: "off", placeholder: hint, dir: "auto" });
    read = () => (input.value.trim() === "" ? null : input.value);
  }
  const told = column.type === "key" ? " (finds related rows)" : "";
  const node = element("div", { class: "field" }, element("label", { for: id }, word(column.name), told), input);
  return { column, input, node, read, write };
}

// A number; what is none goes as it is, and the server says what is wrong with it.
function numberOf(text) {
  const plain = text.trim();
  if (plain === "") return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : plain;
}

function nameField(form) {
  const input = element("input", { id: "name", type: "text", autocomplete: "off", placeholder: "a new row" });
  const label = element("label", { for: "name" }, form.id === null ? "name of the row" : word(form.id), " (a row that the model knows leaves itself out)");
  const read = () => (input.value.trim() === "" ? null : form.numbers ? numberOf(input.value) : input.value);
  return { input, node: element("div", { class: "field" }, label, input), read };
}
