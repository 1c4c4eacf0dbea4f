// The page: pick a model, ask, look. Every panel is always in one of the states
// empty, loading, answer, cut, error, gone, and says so in data-state.

import { looked, lookAt, show } from "./answers.js";
import { element, word } from "./dom.js";
import { makeForm, verbOf } from "./forms.js";
import * as server from "./server.js";
import { snippet } from "./snippets.js";

const KINDS = { table: "rows of a table", words: "hidden words", translation: "a translator", trees: "a parser", sentences: "classes of lines" };
const by = (id) => document.getElementById(id);
const picks = { model: by("model"), beside: by("beside") };
let models = [], form = null, asking = null, looking = null, timer = null, before = new Map();
let answered = []; // of what was asked last: {panel, model, question, answer}

const chosen = (pick) => models.find((model) => model.id === pick.value) ?? null;
const unit = () => document.querySelector("#unit :checked").value;
const pair = () => [chosen(picks.model), chosen(picks.beside)].filter(Boolean);

class Panel {
  constructor(title, facts = "") {
    this.body = element("div", { "aria-live": "polite" });
    this.node = element("section", { class: "panel", "aria-label": `Answer of ${title}` }, element("h2", {}, word(title)),
      facts ? element("p", { class: "soft small facts" }, word(facts, 300)) : null, this.body);
    this.state("empty", element("p", { class: "soft" }, "Nothing is asked yet. Fill in the question and press Ask."));
  }
  state(name, ...inside) {
    this.node.dataset.state = name;
    this.body.replaceChildren(...inside.flat().filter(Boolean));
  }
  fault(fault, again) {
    if (fault instanceof server.Gone) {
      this.state("gone", element("p", { class: "error" }, "The server does not answer. It is asked again every two seconds; start it with axw serve."));
      waitForServer(again);
      return;
    }
    const { message, limit, got } = fault.error ?? { message: "The page could not show the answer." };
    const told = element("p", { class: "error" }, word(message, 800));
    const bound = limit !== undefined && got !== undefined ? element("p", {}, `Got ${got}, allowed: ${limit}.`) : null;
    const button = element("button", { type: "button" }, "Ask again");
    button.addEventListener("click", again);
    this.state("error", told, bound, button);
  }
}

// What is known of a model, in a line.
function factsOf({ kind, facts }) {
  const said = [KINDS[kind] ?? kind];
  if (facts.rows !== undefined) said.push(`remembers ${facts.rows.toLocaleString("en")} rows`);
  if (facts.parameters) said.push(`${facts.parameters.toLocaleString("en")} weights`);
  for (const [name, value] of Object.entries(facts.validation ?? {}).slice(0, 3)) said.push(`${name.replaceAll("_", " ")} ${Number(value.toPrecision(4))}`);
  if (facts.classes?.length) said.push(`classes ${facts.classes.slice(0, 6).join(", ")}${facts.classes.length > 6 ? ", …" : ""}`);
  return said.join(" · ");
}

async function waitForServer(again) {
  const asked = asking;
  while (asked === asking) {
    await new Promise((done) => setTimeout(done, 2000));
    if (asked === asking && await server.alive()) { again(); return; }
  }
}

function panels() {
  const found = pair().map((model) => new Panel(model.id, factsOf(model)));
  document.querySelector("main").classList.toggle("two", found.length > 1);
  by("panels").replaceChildren(...found.map((panel) => panel.node));
  return found;
}

async function ask() {
  clearTimeout(timer);
  stop();
  const mine = asking = new AbortController();
  const asked = pair(), shown = panels(), question = form?.read() ?? null;
  markChanges();
  if (!question || !asked.length) return;
  const slow = setTimeout(() => shown.forEach((panel) => {
    if (panel.node.dataset.state === "empty") panel.state("loading", element("p", { class: "soft loading", role: "status" }, "The model is asked"));
  }), 300);
  const found = await Promise.all(asked.map((model, i) => answerInto(shown[i], model, question, mine.signal)));
  clearTimeout(slow);
  if (mine.signal.aborted) return;
  answered = found.filter(Boolean);
  look();
}

// Nothing that was asked before is waited for any more.
function stop() {
  asking?.abort();
  looking?.abort();
  answered = [];
}

async function answerInto(panel, model, question, signal) {
  try {
    const answer = await server.ask(model.id, verbOf(model), question, signal);
    const use = (text) => { form.write(text); ask(); };
    const kept = before.get(model.id);
    if (model.kind === "table" && !kept) before.set(model.id, { answer, question });
    const cut = (answer.cut ?? 0) > 0 || answer.finished === false;
    panel.state(cut ? "cut" : "answer", show[model.kind](answer, same(kept?.question, question) ? undefined : kept?.answer, use));
    return { panel, model, question, answer };
  } catch (fault) {
    if (fault.name !== "AbortError") panel.fault(fault, ask);
    return null;
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// What each model looked at, below its answer: once it has answered, and again in other units.
function look() {
  looking?.abort();
  const mine = looking = new AbortController();
  answered.forEach((each) => lookInto(each, mine.signal));
}

async function lookInto({ panel, model, question, answer }, signal) {
  if (!model.verbs.includes("explain")) return;
  const inUnits = unit(), seen = lookAt(model, question, answer, inUnits);
  const below = panel.body.querySelector(".looked") ?? element("div", { class: "looked" });
  const state = (name, ...inside) => { below.dataset.state = name; below.replaceChildren(...inside); };
  panel.body.append(below);
  if (!seen) {
    state("cut", element("p", { class: "note" }, "The line is too long for a picture of its attention: 64 words are shown at most."));
    return;
  }
  below.dataset.state = "loading";
  if (!below.childNodes.length) below.append(element("p", { class: "soft loading", role: "status" }, "The model is asked what it looked at"));
  try {
    const found = await server.ask(model.id, "explain", seen, signal);
    const other = answered.find((each) => each.model.id !== model.id)?.answer.text?.split(/\s+/);
    state("answer", element("h3", {}, "What it looked at"), ...looked(model, found, inUnits, other).filter(Boolean));
  } catch (fault) {
    if (fault.name === "AbortError") return;
    if (!(fault instanceof server.Refused)) { panel.fault(fault, ask); return; }
    const { message, limit, got } = fault.error;
    const bound = limit !== undefined && got !== undefined ? ` Got ${got}, allowed: ${limit}.` : "";
    state("error", element("p", { class: "note" }, word(message, 800), bound));
  }
}

function markChanges() {
  const kept = before.get(picks.model.value)?.question?.rows?.[0];
  for (const field of form?.fields ?? []) {
    const was = kept ? kept[field.column.name] : undefined;
    field.node.classList.toggle("changed", kept !== undefined && was !== field.read());
  }
}

function soon() {
  if (chosen(picks.model)?.kind !== "table" || !before.size) return;
  clearTimeout(timer);
  timer = setTimeout(ask, 300);
}

// The models of the same kind, to be asked the same.
function offerBeside() {
  const model = chosen(picks.model), had = picks.beside.value;
  const alike = models.filter((each) => each.id !== model?.id && each.kind === model?.kind && each.state === "ready");
  picks.beside.replaceChildren(element("option", { value: "" }, alike.length ? "no other" : "no other of its kind"),
    ...alike.map((each) => element("option", { value: each.id }, each.id)));
  picks.beside.value = alike.some((each) => each.id === had) ? had : "";
}

function pick() {
  const model = chosen(picks.model);
  offerBeside();
  before = new Map();
  form = model?.kind ? makeForm(model, by("form"), soon) : null;
  by("keep")?.addEventListener("click", () => { before = new Map(); ask(); });
  by("snippet").replaceChildren();
  by("copied").replaceChildren();
  by("unit").hidden = !form || model.kind === "table";
  stop();
  panels();
}

function copy(kind) {
  const model = chosen(picks.model), question = form?.read();
  if (!model || !question) { by("copied").textContent = "Ask something first."; return; }
  const text = snippet(kind, model, verbOf(model), question);
  by("snippet").textContent = text;
  const told = (done) => { by("copied").textContent = done ? "Copied." : "Select it below."; };
  (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(() => told(true), () => told(false));
}

function keys(event) {
  const typing = document.activeElement?.matches("textarea, select, input:not([type=radio])");
  if (event.key === "/" && !typing) { form?.first?.focus(); event.preventDefault(); }
  else if (event.key === "Escape") { form?.clear(); stop(); before = new Map(); markChanges(); panels(); }
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { ask(); event.preventDefault(); }
}

// Once more for as long as models are being loaded; what is being asked stays as it is.
async function start() {
  const had = chosen(picks.model);
  try {
    models = await server.models();
  } catch (fault) {
    const panel = new Panel("the server");
    by("panels").replaceChildren(panel.node);
    panel.fault(fault, start);
    return;
  }
  const fit = models.filter((model) => model.state === "ready");
  const option = (model) => element("option", { value: model.id, disabled: model.state !== "ready" },
    model.state === "ready" ? `${model.id} (${model.kind})` : `${model.id}: ${model.state}`);
  picks.model.replaceChildren(...models.map(option));
  if (fit.length) picks.model.value = fit.some((model) => model.id === had?.id) ? had.id : fit[0].id;
  if (models.some((model) => model.state === "loading")) setTimeout(start, 1000);
  if (had?.state === "ready" && had.id === picks.model.value) { offerBeside(); return; }
  pick();
  if (!fit.length) by("panels").replaceChildren(element("p", { class: "note" }, "No model is ready yet; the page looks again every second."));
}

picks.model.addEventListener("change", pick);
picks.beside.addEventListener("change", () => { before = new Map(); ask(); });
by("unit").addEventListener("change", look);
by("form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy));
document.addEventListener("keydown", keys);
start();
