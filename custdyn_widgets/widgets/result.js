// One report on screen: status, error, toolbar, link, table, Info. Everything that came with the data is text.
// Sorting, the menu and copying never ask the kernel.

const PAGE = Symbol.for("custdyn.page"); // as in download.js: which page asked
const GONE = "The kernel has gone or was restarted: nothing here is alive any more. Run the cells again.";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // texts become text nodes
  return made;
}

function button(text, act, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

// The table.

function headings(shown, sort) {
  const sortable = (text, column, attributes) => {
    const order = column === sort.column ? sort.order : "none";
    const head = element("th", { scope: "col", "aria-sort": order, ...attributes });
    head.append(button(text, () => sort.by(column), { class: "custdyn-sort" }));
    return head;
  };
  const upper = shown.headings.map((text, i) => sortable(text, i, { rowspan: 2, class: "custdyn-label" }));
  const lower = [];
  let at = 0;
  for (const { name, span, colour } of shown.groups) {
    const group = element("th", { scope: "colgroup", colspan: span, class: "custdyn-first" }, name);
    group.style.setProperty("--custdyn-group", colour);
    upper.push(group);
    for (const end = at + span; at < end; at++) {
      const [label, definition] = shown.columns[at];
      const kind = at === end - span ? "custdyn-first" : "";
      lower.push(sortable(label, shown.headings.length + at, { title: definition, class: kind }));
    }
  }
  return element("thead", {}, element("tr", {}, ...upper), element("tr", {}, ...lower));
}

function line(row, firsts) {
  const labels = row.labels.map((text, i) => {
    const name = element("bdi", {}, text);
    if (i > 0 || !row.partial) return element("th", { scope: "row", class: "custdyn-label" }, name);
    const mark = element("span", { title: "partial" }, " ◐");
    return element("th", { scope: "row", class: "custdyn-label" }, name, mark);
  });
  const cells = row.cells.map((text, i) => {
    const kinds = [firsts.has(i) ? "custdyn-first" : "", text.startsWith("−") ? "custdyn-negative" : ""];
    return element("td", { class: kinds.join(" ").trim() }, text);
  });
  return element("tr", {}, ...labels, ...cells);
}

// Exact: keys are whole numbers as text. Nothing comes last in either direction; ties stay as they were.
function compared(keys, column, order) {
  const numbers = keys.map((row) => (row[column] === null ? null : BigInt(row[column])));
  const sign = order === "descending" ? -1 : 1;
  return (a, b) => {
    const [x, y] = [numbers[a], numbers[b]];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return x === y ? a - b : x < y ? -sign : sign;
  };
}

function table(shown) {
  const firsts = new Set();
  shown.groups.reduce((at, { span }) => (firsts.add(at), at + span), 0);
  const lines = shown.rows.map((row) => line(row, firsts));
  const made = element("table", { "aria-label": shown.title });
  const body = element("tbody", {}, ...lines);
  const sort = { column: -1, order: "none" };
  sort.by = (column) => {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    sort.order = column === sort.column ? next[sort.order] : "ascending";
    sort.column = sort.order === "none" ? -1 : column;
    const places = [...lines.keys()];
    if (sort.column >= 0) places.sort(compared(shown.keys, column, sort.order));
    body.append(...places.map((i) => lines[i]));
    const [before, after] = [made.tHead, headings(shown, sort)];
    const focused = [...before.querySelectorAll("button")].indexOf(document.activeElement);
    before.replaceWith(after);
    after.querySelectorAll("button")[focused]?.focus();
  };
  made.append(headings(shown, sort), body);
  if (shown.total) made.append(element("tfoot", {}, line(shown.total, firsts)));
  return made;
}

// Info and definitions.

function info(shown) {
  const pairs = (list) =>
    element("dl", {}, ...list.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
  const definitions = shown.definitions.flatMap(([group, columns]) => [element("h4", {}, group), pairs(columns)]);
  const surprises = element("ul", {}, ...shown.surprises.map((words) => element("li", {}, words)));
  return [pairs(shown.info), element("h4", {}, "What surprises people"), surprises, ...definitions];
}

// A menu button: arrows, Home, End, Escape; Tab leaves it.

function menuButton(text, names, pick) {
  const items = names.map((name) =>
    button(name, () => (close(), opener.focus(), pick(name)), { role: "menuitem", tabindex: "-1" }),
  );
  const menu = element("div", { role: "menu", "aria-label": text, class: "custdyn-menu" }, ...items);
  const opener = button(text, () => (menu.hidden ? open() : close()), { "aria-haspopup": "menu" });
  const whole = element("div", { class: "custdyn-menu-place" }, opener, menu);
  const open = () => {
    menu.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    items[0]?.focus();
  };
  const close = () => {
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  };
  close();
  opener.disabled = !names.length;
  opener.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") (event.preventDefault(), open());
  });
  menu.addEventListener("keydown", (event) => {
    const at = items.indexOf(event.target);
    const last = items.length - 1;
    const to = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to !== undefined) items[to].focus();
    else if (event.key === "Escape") (close(), opener.focus());
    else return;
    event.preventDefault();
    event.stopPropagation(); // else the toolbar moves on as well
  });
  whole.addEventListener("focusout", (event) => whole.contains(event.relatedTarget) || close());
  return whole;
}

// One stop for Tab; arrows move within.

function toolbar(...parts) {
  const bar = element("div", { role: "toolbar", "aria-label": "Report", class: "custdyn-toolbar" }, ...parts);
  const stops = () => [...bar.querySelectorAll("button:not([role=menuitem]):not([disabled])")];
  const settle = (chosen) => stops().forEach((stop) => (stop.tabIndex = stop === chosen ? 0 : -1));
  settle(stops()[0]);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = stops();
    if (!step || !all.includes(event.target)) return;
    const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
    settle(next);
    next.focus();
    event.preventDefault();
  });
  return bar;
}

function openPage(bytes) {
  const address = URL.createObjectURL(new Blob([bytes], { type: "text/html;charset=utf-8" }));
  window.open(address, "_blank", "noopener");
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function linkLine(model) {
  const { link, words, page } = model.get("_link");
  const parts = [];
  if (link) {
    const said = element("span", { class: "custdyn-unseen", role: "status" });
    const copy = button("Copy link", async () => {
      await navigator.clipboard.writeText(link);
      copy.textContent = said.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy link"), 2_000);
    });
    const anchor = element("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link);
    parts.push(element("span", {}, "Share: "), anchor, copy, said);
  }
  if (page) parts.push(button("Open the page", () => model.send({ ask: "page", page: globalThis[PAGE] })));
  if (words) parts.push(element("span", { class: "custdyn-words" }, words));
  return parts;
}

function report(model, shown) {
  const details = element("div", { class: "custdyn-info", hidden: "" }, ...info(shown));
  const ask = (format) => model.send({ ask: format, page: globalThis[PAGE] });
  const exports = Object.entries(shown.formats).map(([format, name]) =>
    button(`Export to ${name}`, () => ask(format)),
  );
  const toggle = button("Info", () => {
    details.hidden = !details.hidden;
    toggle.setAttribute("aria-expanded", String(!details.hidden));
  }, { "aria-expanded": "false" });
  const charts = menuButton("Show Chart", shown.charts, (chart) => model.send({ chart }));
  const link = element("p", { class: "custdyn-link" });
  const parts = [
    element("p", { class: "custdyn-asked" }, shown.asked, "."),
    toolbar(...exports, ...(shown.output === "web" ? [charts] : []), toggle),
    link,
    details,
    ...shown.warnings.map((words) => element("p", { class: "custdyn-warning" }, "⚠ ", words)),
  ];
  if (shown.message) parts.push(element("p", { class: "custdyn-message" }, shown.message));
  else if (shown.output === "web") {
    const region = { class: "custdyn-scroll", tabindex: "0", role: "region", "aria-label": "The report's table" };
    parts.push(element("div", region, table(shown)));
    parts.push(element("p", { class: "custdyn-note" }, shown.notes.join(" ")));
  }
  return { parts, link };
}

function initialize({ model }) {
  const received = (message, buffers) => {
    if (message.kind === "page" && message.page === globalThis[PAGE]) openPage(buffers[0]);
  };
  model.on("msg:custom", received);
  return () => model.off("msg:custom", received);
}

function render({ model, el }) {
  const status = element("p", { class: "custdyn-status", role: "status" });
  const words = element("span");
  const bar = element("progress", { max: "1", "aria-label": "Progress" });
  status.append(words, bar);
  const error = element("p", { class: "custdyn-error", role: "alert" });
  const place = element("div", { class: "custdyn-report" });
  el.classList.add("custdyn-result", "mathjax_ignore"); // a name such as "$5 to $10" is no formula
  el.setAttribute("data-lm-suppress-shortcuts", "true"); // Lab's own keys for cells
  el.replaceChildren(status, error, place);

  let link = null;
  const showStatus = () => {
    const told = model.get("_status");
    words.textContent = told.words;
    bar.hidden = told.done === null || told.done === undefined;
    if (!bar.hidden) bar.value = told.done;
  };
  const showError = () => (error.textContent = model.get("_error"));
  const showLink = () => link?.replaceChildren(...linkLine(model));
  const showReport = () => {
    const shown = model.get("_shown");
    if (!shown.columns) return;
    const made = report(model, shown);
    link = made.link;
    place.replaceChildren(...made.parts);
    showLink();
  };
  const gone = () => (error.textContent = GONE);

  const listeners = {
    "change:_shown": showReport,
    "change:_status": showStatus,
    "change:_error": showError,
    "change:_link": showLink,
    comm_live_update: gone,
  };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  for (const show of [showReport, showStatus, showError]) show();
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
  };
}

export default { initialize, render };
