// Pictures as elements, each with the same numbers as a table.

import { element, percent, rebuilt, svg, visible, withArrows, word } from "./dom.js";

// Signed or unsigned bars: [{label, value, text}]; `whole` is as wide as there is room, or else the longest.
export function bars(parts, title, whole = null) {
  const most = whole ?? Math.max(...parts.map((part) => Math.abs(part.value)), 1e-12);
  const both = parts.some((part) => part.value < 0);
  const rows = parts.map((part) => {
    const width = (both ? 50 : 100) * Math.abs(part.value) / most;
    const x = !both ? 0 : part.value < 0 ? 50 - width : 50;
    const bar = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "count", x: 0, y: 4, width: 100, height: 2 }),
      svg("rect", { class: part.value < 0 ? "less" : "more", x, y: 0, width: Math.max(width, 0.4), height: 10 }));
    return element("div", { class: "bar" }, element("span", { class: "name" }, word(part.label)), bar, element("span", { class: "number" }, part.text));
  });
  return element("div", { class: "bars", role: "group", "aria-label": title }, rows);
}

export function table(headings, rows) {
  const head = element("tr", {}, headings.map((each) => element("th", { scope: "col" }, word(each))));
  const body = rows.map((row) => element("tr", {}, row.map((cell) => element("td", {}, word(cell)))));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, body)));
}

export function folded(title, ...inside) {
  return element("details", {}, element("summary", {}, title), ...inside);
}

// Words as buttons. A pressed word of `target` shades the words of `source` by what it reads of them.
export function reading({ source, target, reads }, { same, differs, one }) {
  const shade = (button, share) => {
    button.className = button.className.replace(/\br\d\b/g, "").trim();
    const step = share === null ? 0 : Math.min(5, Math.ceil(share * 7.999 - 0.3));
    if (step > 0) button.classList.add(`r${step}`);
    button.querySelector(".share").textContent = share === null || share < 0.005 ? "" : percent(share);
  };
  const button = (text, extra) => element("button", { type: "button", class: extra }, word(text, 60), element("span", { class: "share" }));
  const ask = `Click a ${one} to see what it attended to.`;
  const told = element("p", { class: "soft small", role: "status" }, ask);
  const readers = target.map((text) => button(text, differs?.(text) ? "other" : ""));
  const read = same ? readers : source.map((text) => button(text, ""));
  readers.forEach((reader, i) => {
    reader.setAttribute("aria-pressed", "false");
    reader.addEventListener("click", () => {
      const on = reader.getAttribute("aria-pressed") !== "true";
      readers.forEach((each) => each.setAttribute("aria-pressed", "false"));
      reader.setAttribute("aria-pressed", String(on));
      read.forEach((each, j) => shade(each, on ? reads[i][j] ?? 0 : null));
      const best = reads[i].map((share, j) => [share, source[j]]).sort((a, b) => b[0] - a[0]).slice(0, 3);
      told.replaceChildren(...(on
        ? [word(target[i]), " attended to ", ...best.flatMap(([share, text], k) => [k ? ", " : "", word(text), ` ${percent(share)}`])]
        : [ask]));
    });
  });
  if (!same) read.forEach((each) => { each.disabled = true; });
  const lineOf = (buttons, name) => withArrows(element("div", { class: "words", role: "group", "aria-label": name }, buttons));
  return element("div", { class: "reading" },
    lineOf(readers, same ? `Each ${one}` : `Each ${one} of the answer`),
    same ? null : element("p", { class: "soft small" }, "read from"),
    same ? null : lineOf(read, `Each ${one} of the line`), told);
}

// The pictures of the server: the same that a notebook and a report show, each with its numbers as a table.
export function drawn({ title, drawings, heads, notes }) {
  return [title ? element("p", { class: "finding" }, word(title, 400)) : null, ...drawings.map(drawing),
    ...notes.map((note) => element("p", { class: "soft small" }, word(note, 600))), headByHead(heads)];
}

function drawing({ title, svg: text, folded: fold, headings, rows }) {
  const numbers = rows.length ? folded("The same as a table", table(headings, rows)) : null;
  const shown = [element("div", { class: "scroll picture", tabindex: "0", role: "region", "aria-label": visible(title, 200) }, rebuilt(text)), numbers];
  return fold ? folded(word(fold, 120), ...shown) : element("div", {}, ...shown);
}

// All heads small, and one of them large: the one that is chosen.
function headByHead(heads) {
  if (!heads.length) return null;
  const large = heads.filter((head, i) => i > 0 || heads.length === 1);
  const place = element("div", {});
  const show = (i) => place.replaceChildren(drawing({ ...large[i], folded: "" }));
  const pick = element("select", { "aria-label": "Which is shown large" },
    large.map((head, i) => element("option", { value: String(i) }, visible(head.title, 80))));
  pick.addEventListener("change", () => show(Number(pick.value)));
  show(0);
  return folded("Head by head", heads.length > 1 ? drawing({ ...heads[0], folded: "" }) : null,
    element("p", {}, element("label", {}, "Large: ", pick)), place);
}
