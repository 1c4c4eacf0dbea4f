// The one place where words become parts of the page: as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const ALLOWED = new Set(`class id for type value name role title min max step rows cols maxlength placeholder required checked
  selected tabindex href inputmode autocomplete spellcheck dir x y x1 y1 x2 y2 width height viewBox text-anchor
  preserveAspectRatio scope colspan disabled`.split(/\s+/));
const HIDDEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e" +
  "\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\ufffe\\uffff]|[\\ud800-\\udfff](?![\\udc00-\\udfff])", "gu");

// The text with control characters as marks that can be seen, and cut.
export function visible(text, most = 2000) {
  let plain = String(text);
  const more = plain.length - most;
  if (more > 0) plain = plain.slice(0, most);
  const shown = plain.replace(HIDDEN, (found) => {
    const code = found.codePointAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
  return more > 0 ? `${shown}… (${more} more)` : shown;
}

// element("p", {class: "soft"}, "words", another element): words become text nodes; unknown attributes are a mistake.
export function element(tag, attributes = {}, ...children) {
  return made(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, tag), attributes, children);
}

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (!ALLOWED.has(name) && !/^(aria|data)-[a-z-]+$/.test(name)) throw new Error(`attribute ${name}`);
    if (name === "href" && !/^[#/]/.test(value)) throw new Error("a link to elsewhere");
    node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
  return node;
}

// A picture that came as text: read as XML, which runs nothing, and built again from the few shapes and numbers that pictures have.
const SHAPES = new Set("svg g rect line circle path text title desc".split(" "));
const MEASURES = new Set(`class x y x1 y1 x2 y2 cx cy r width height d viewBox transform text-anchor fill-opacity
  stroke-opacity role`.split(/\s+/));

export function rebuilt(text) {
  const read = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return copied(read) ?? element("p", { class: "note" }, "The picture cannot be shown.");
}

function copied(node) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE || node.namespaceURI !== SVG || !SHAPES.has(node.localName)) return null;
  const made = document.createElementNS(SVG, node.localName);
  for (const { name, value } of node.attributes) if (MEASURES.has(name)) made.setAttribute(name, value);
  for (const child of node.childNodes) made.append(copied(child) ?? "");
  return made;
}

// Words from data, in an element of their own direction.
export function word(text, most = 200) {
  return element("bdi", {}, visible(text, most));
}

export function percent(value) {
  return `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
}

export function signed(value, digits = 3) {
  const text = Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(digits);
  return value > 0 ? `+${text}` : text.replace("-", "−");
}

// Buttons in a line: the arrows go from one to the next.
export function withArrows(line) {
  line.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = [...line.querySelectorAll("button")];
    const next = all[all.indexOf(document.activeElement) + step];
    if (step && next) { next.focus(); event.preventDefault(); }
  });
  return line;
}
