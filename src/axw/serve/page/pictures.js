// Pictures as elements, each with the same numbers as a table.

import { element, percent, signed, svg, visible, withArrows, word } from "./dom.js";

// Signed or unsigned bars: [{label, value, text}]; `whole` is as wide as there is room, or else the longest.
export function bars(parts, title, whole = null) {
  const most = whole ?? Math.max(...parts.map((part) => Math.abs(part.value)), 1e-12);
  const both = parts.some((part) => part.value < 0);
  const rows = parts.map((part) => {
    const width = (both ? 50 : 100) * Math.abs(part.value) / most;
    const x = !both ? 0 : part.value < 0 ? 50 - width : 50;
    const bar = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "ground", x: 0, y: 4, width: 100, height: 2 }),
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
export function reading({ source, target, reads }, { same, differs }) {
  const shade = (button, share) => {
    button.className = button.className.replace(/\br\d\b/g, "").trim();
    const step = share === null ? 0 : Math.min(5, Math.ceil(share * 7.999 - 0.3));
    if (step > 0) button.classList.add(`r${step}`);
    button.querySelector(".share").textContent = share === null || share < 0.005 ? "" : percent(share);
  };
  const button = (text, extra) => element("button", { type: "button", class: extra }, word(text, 60), element("span", { class: "share" }));
  const told = element("p", { class: "soft small", role: "status" }, "Click a word to see what it attended to.");
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
        : ["Click a word to see what it attended to."]));
    });
  });
  if (!same) read.forEach((each) => { each.disabled = true; });
  const lineOf = (buttons, name) => withArrows(element("div", { class: "words", role: "group", "aria-label": name }, buttons));
  return element("div", { class: "reading" },
    lineOf(readers, same ? "Words" : "Words of the answer"),
    same ? null : element("p", { class: "soft small" }, "read from"),
    same ? null : lineOf(read, "Words of the line"), told);
}

// A as a grid: a row for each word that reads, a column for each that is read.
export function grid({ source, target, reads }) {
  const size = 22, left = 118, top = 92, most = 48;
  const rows = target.slice(0, most), columns = source.slice(0, most);
  const picture = svg("svg", { viewBox: `0 0 ${left + size * columns.length + 60} ${top + size * rows.length + 6}`, role: "img",
    width: left + size * columns.length + 60, height: top + size * rows.length + 6,
    "aria-label": "What each word reads of each word; the table below has the numbers." });
  columns.forEach((text, j) => {
    const label = svg("text", { x: 0, y: 0 }, visible(text, 13));
    label.setAttribute("transform", `translate(${left + size * j + 14} ${top - 6}) rotate(-50)`);
    picture.append(label);
  });
  rows.forEach((text, i) => {
    picture.append(svg("text", { x: left - 8, y: top + size * i + 15, "text-anchor": "end" }, visible(text, 15)));
    columns.forEach((_, j) => {
      const share = Math.max(0, Math.min(1, reads[i][j] ?? 0)), side = 20 * Math.sqrt(share);
      picture.append(svg("rect", { class: "ground", x: left + size * j + 1, y: top + size * i + 1, width: 20, height: 20 }));
      const cell = svg("rect", { class: "cell", x: left + size * j + 11 - side / 2, y: top + size * i + 11 - side / 2, width: side, height: side });
      cell.append(svg("title", {}, `${text} reads ${source[j]}: ${percent(share)}`));
      picture.append(cell);
    });
  });
  const cut = rows.length < target.length || columns.length < source.length;
  return element("div", {}, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Grid of attention" }, picture),
    cut ? element("p", { class: "note" }, `The grid shows the first ${most} words; the table has all.`) : null,
    folded("The same as a table", table(["reads", ...source], target.map((text, i) => [text, ...reads[i].map((share) => share.toFixed(3))]))));
}

// A tree in brackets -> {label, children} or {word}.
export function parsed(text) {
  const stack = [{ children: [] }];
  for (const token of text.match(/[()]|[^\s()]+/g) ?? []) {
    if (token === "(") stack.push({ label: null, children: [] });
    else if (token === ")") { const done = stack.pop(); stack.at(-1).children.push(done); }
    else if (stack.at(-1).label === null) stack.at(-1).label = token;
    else stack.at(-1).children.push({ word: token });
  }
  return stack[0].children[0];
}

// A tree over its words, drawn from the root down.
export function tree(text) {
  const root = parsed(text), level = 46;
  let across = 10, deepest = 0;
  const place = (node, depth) => {
    deepest = Math.max(deepest, depth);
    const own = 9 * Math.min(String(node.word ?? node.label).length, 20) + 16;
    if (node.word !== undefined) { node.x = across + own / 2; across += own; node.depth = depth; return; }
    const begin = across;
    node.children.forEach((child) => place(child, depth + 1));
    if (across - begin < own) across = begin + own;
    const kids = node.children;
    node.x = kids.length ? (kids[0].x + kids.at(-1).x) / 2 : begin + own / 2;
    node.depth = depth;
  };
  place(root, 0);
  const height = level * (deepest + 1) + 8, width = across + 10;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "A constituency tree; the brackets below say the same." });
  const y = (node) => (node.word !== undefined ? height - 12 : 22 + level * node.depth);
  const draw = (node) => {
    for (const child of node.children ?? []) {
      picture.append(svg("line", { x1: node.x, y1: y(node) + 5, x2: child.x, y2: y(child) - 14 }));
      draw(child);
    }
    picture.append(svg("text", { x: node.x, y: y(node), "text-anchor": "middle", class: node.word !== undefined ? "" : "strong" },
      visible(node.word ?? node.label, 20)));
  };
  draw(root);
  return element("div", {}, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tree" }, picture),
    folded("The same in brackets", element("pre", { tabindex: "0" }, text)));
}

// The parts of an output as bars: columns of the row itself, rows that were read; small ones together.
export function contributions(parts) {
  const sums = new Map();
  for (const part of parts) {
    const label = part.others ? `${part.others} smaller parts`
      : part.read ? `row ${part.read}, ${part.relation}` : part.relation === "own row" ? part.feature : `${part.feature}, ${part.relation}`;
    sums.set(label, (sums.get(label) ?? 0) + part.contribution);
  }
  const sorted = [...sums].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const shown = sorted.slice(0, 10).map(([label, value]) => ({ label, value, text: signed(value) }));
  if (sorted.length > 10) {
    const rest = sorted.slice(10).reduce((sum, [, value]) => sum + value, 0);
    shown.push({ label: `${sorted.length - 10} others together`, value: rest, text: signed(rest) });
  }
  return shown;
}
