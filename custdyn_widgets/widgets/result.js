// The result panel: status, error, toolbar, link, table, Info. Names from the data are text, never markup.
// Sorting, the menu and copying work without the kernel.

const UPDATE = "Click Query to update it.";
const GONE = "The kernel stopped or was restarted, so this form no longer works. Run the cells again.";

// The table.

const FIRST_ROWS = 60; // more than fit on a screen; the remaining ones are added a frame later
const MAX_WHOLE = 400; // rows, more than the days in a year; in larger tables, only rows near the visible part are drawn
const CHUNK_ROWS = 25;
const ROW_HEIGHT = 24; // pixels, until the first rows are laid out
const MARGIN = 600; // pixels above and below the visible part
const HEADING_ROWS = 2;

// Returns the positions of the first columns of groups.
function groupStarts(groups) {
  const starts = new Set();
  groups.reduce((at, { span }) => (starts.add(at), at + span), 0);
  return starts;
}

function headings(shown, firsts, sort) {
  const sortable = (text, column, attributes) => {
    if (!sort) return element("th", { scope: "col", ...attributes }, text);
    const order = column === sort.column ? sort.order : "none";
    const head = element("th", { scope: "col", "aria-sort": order, ...attributes });
    head.append(button(text, () => sort.by(column), { class: "custdyn-sort" }));
    return head;
  };
  const upper = shown.headings.map((text, i) => sortable(text, i, { rowspan: 2, class: "custdyn-label" }));
  if (!upper.length) upper.push(element("td", { rowspan: 2, class: "custdyn-label" }));
  for (const { name, span, colour } of shown.groups) {
    const group = element("th", { scope: "colgroup", colspan: span, class: "custdyn-first" }, name);
    group.style.setProperty("--custdyn-group", colour);
    upper.push(group);
  }
  const lower = shown.columns.map(([label, definition], i) => {
    const kind = firsts.has(i) ? "custdyn-first" : "";
    return sortable(label, shown.headings.length + i, { title: definition, class: kind });
  });
  return element("thead", {}, element("tr", {}, ...upper), element("tr", {}, ...lower));
}

// The change from the earlier period and its percentage, below a number.
function changed([before, change, percent]) {
  const signed = (text) => (/^[^-]*[1-9]/.test(text) ? `+${text}` : text);
  const texts = change === "–" ? [change] : [...number(signed(change)), ...(percent === "–" ? [] : [` (${signed(percent)})`])];
  const kind = change.startsWith("-") ? "custdyn-change custdyn-negative" : "custdyn-change";
  return element("span", { class: kind, title: `Before: ${before}` }, ...texts);
}

// With changes below the numbers, the columns of a comparison are shown in the cells of the values that they belong to.
function arranged(shown, changes) {
  const all = shown.columns.map((_, i) => i);
  if (changes !== "below" || !shown.parts.includes("before")) return { ...shown, whole: shown, sources: all };
  const sources = all.filter((i) => shown.parts[i] === "value");
  const labels = shown.headings.length;
  const pick = (list) => sources.map((i) => list[i]);
  const cut = (row) => row && {
    ...row,
    cells: pick(row.cells),
    changes: sources.map((i) => row.cells.slice(i + 1, i + 4)),
  };
  let first = 0;
  const groups = shown.groups.map((group) => {
    const end = first + group.span;
    const span = sources.filter((i) => first <= i && i < end).length;
    first = end;
    return { ...group, span };
  });
  return {
    ...shown,
    whole: shown,
    sources,
    groups,
    columns: pick(shown.columns),
    rows: shown.rows.map(cut),
    total: cut(shown.total),
    keys: shown.keys.map((row) => [...row.slice(0, labels), ...pick(row.slice(labels))]),
  };
}

function line(row, firsts) {
  const labels = (row.labels.length ? row.labels : ["All"]).map((text) => {
    return element("th", { scope: "row", class: "custdyn-label" }, element("bdi", {}, text));
  });
  if (row.partial) labels[0].append(element("span", { role: "img", "aria-label": "partial", title: "partial" }, " ◐"));
  const cells = row.cells.map((text, i) => {
    const kinds = [firsts.has(i) ? "custdyn-first" : "", text.startsWith("-") ? "custdyn-negative" : ""];
    const cell = element("td", { class: kinds.join(" ").trim() }, ...number(text));
    if (row.changes) cell.append(changed(row.changes[i]));
    return cell;
  });
  return element("tr", {}, ...labels, ...cells);
}

function total(row, firsts) {
  const made = line(row, firsts);
  const [first, ...others] = made.querySelectorAll("th");
  first.colSpan = 1 + others.length;
  for (const other of others) other.remove();
  return made;
}

// Keys are integers as strings, so the order is exact. Null is last in both directions, and the sort is stable.
function compared(keys, column, order) {
  const numbers = keys.map((row) => (row[column] === null ? null : BigInt(row[column])));
  const sign = order === "descending" ? -1 : 1;
  return (a, b) => {
    const [x, y] = [numbers[a], numbers[b]];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return x === y ? a - b : x < y ? -sign : sign;
  };
}

// Laying out every cell of a large table would take seconds, so only the rows near the visible part are drawn. Each
// chunk of rows has its own tbody, which has the same height with and without its rows.
function chunks(count, columns, region, draw) {
  const bodies = Array.from({ length: Math.ceil(count / CHUNK_ROWS) }, () => element("tbody"));
  const drawn = new Set();
  const fill = (body) => {
    const first = bodies.indexOf(body) * CHUNK_ROWS;
    body.replaceChildren(...draw(first, Math.min(first + CHUNK_ROWS, count)));
    drawn.add(body);
  };
  const empty = (body) => {
    const rows = Math.min(CHUNK_ROWS, count - bodies.indexOf(body) * CHUNK_ROWS);
    const height = drawn.has(body) ? body.offsetHeight : (bodies[0].offsetHeight / CHUNK_ROWS || ROW_HEIGHT) * rows;
    const space = element("td", { colspan: columns, class: "custdyn-space" });
    space.style.height = `${height}px`;
    body.replaceChildren(element("tr", { "aria-hidden": "true" }, space));
    drawn.delete(body);
  };
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting && !drawn.has(target)) fill(target);
      else if (!isIntersecting && drawn.has(target)) empty(target);
  }, { root: region, rootMargin: `${MARGIN}px 0px` });
  fill(bodies[0]);
  bodies.slice(1).forEach(empty);
  for (const body of bodies) seen.observe(body);
  const fillAt = (place) => {
    const body = bodies[Math.floor(place / CHUNK_ROWS)];
    if (!drawn.has(body)) fill(body);
  };
  return { bodies, redraw: () => [...drawn].forEach(fill), fillAt };
}

// The longest text of each column, so that columns keep their widths as rows are added and removed.
function widths(shown) {
  const longest = (texts) => texts.reduce((most, text) => (text.length > most.length ? text : most), "");
  const column = (part) => shown.rows[0][part].map((_, i) => longest(shown.rows.map((row) => row[part][i])));
  const made = line({ labels: column("labels"), cells: column("cells"), partial: true }, groupStarts(shown.groups));
  made.setAttribute("aria-hidden", "true");
  return element("tbody", { class: "custdyn-widths" }, made);
}

function table(shown, region) {
  const firsts = groupStarts(shown.groups);
  const lines = [];
  const count = shown.rows.length;
  const large = count > MAX_WHOLE;
  const makeLine = (place) => {
    const row = line(shown.rows[place], firsts);
    row.dataset.place = place;
    return row;
  };
  const lineAt = (place) => (lines[place] ??= makeLine(place));
  const two = shown.headings.length > 1;
  const made = element("table", { "aria-label": shown.title, class: two ? "custdyn-two" : "" });
  let places = [...shown.rows.keys()];
  const draw = (from, to) =>
    places.slice(from, to).map((place, i) => {
      const row = lineAt(place);
      if (large) row.setAttribute("aria-rowindex", HEADING_ROWS + from + i + 1);
      const above = shown.rows[places[from + i - 1]];
      if (two) row.classList.toggle("custdyn-again", above?.labels[0] === shown.rows[place].labels[0]);
      return row;
    });
  const whole = () => {
    const body = element("tbody");
    const fill = (most) => {
      body.append(...draw(0, most));
      made.setAttribute("aria-busy", String(most < count));
    };
    fill(Math.min(FIRST_ROWS, count));
    if (count > FIRST_ROWS) requestAnimationFrame(() => setTimeout(() => fill(count)));
    return { bodies: [body], redraw: () => fill(count) };
  };
  const { bodies, redraw, fillAt } = large ? chunks(count, shown.headings.length + shown.columns.length, region, draw) : whole();
  const sort = { column: -1, order: "none" };
  sort.by = (column) => {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    sort.order = column === sort.column ? next[sort.order] : "ascending";
    sort.column = sort.order === "none" ? -1 : column;
    places = [...shown.rows.keys()];
    if (sort.column >= 0) places.sort(compared(shown.keys, column, sort.order));
    redraw();
    const [before, after] = [made.tHead, headings(shown, firsts, sort)];
    const focused = [...before.querySelectorAll("button")].indexOf(document.activeElement);
    before.replaceWith(after);
    after.querySelectorAll("button")[focused]?.focus();
  };
  if (large) {
    made.setAttribute("aria-busy", "false");
    made.setAttribute("aria-rowcount", HEADING_ROWS + count + (shown.total ? 1 : 0));
    bodies.push(widths(shown));
  }
  made.append(headings(shown, firsts, count > 1 ? sort : null), ...bodies);
  if (shown.total) made.append(element("tfoot", {}, total(shown.total, firsts)));
  const rowAt = (place) => (fillAt(place), lineAt(places[place]));
  return { made, tools: large ? [finder(shown, region, () => places, rowAt), copyTable(shown.whole, () => places)] : [] };
}

// A click on a cell, or Enter after moving to it with the arrow keys, shows the clients behind its row. A click on
// the change below a number, or Shift+Enter, shows which clients changed.

const CHANGE = 2; // columns from a value to its change

function openable(made, region, sources, open) {
  made.setAttribute("role", "grid");
  made.classList.add("custdyn-openable");
  const inBody = (cell) => cell?.closest?.("tbody:not(.custdyn-widths), tfoot") && !cell.matches(".custdyn-space") && cell;
  const numbers = (row) => [...row.querySelectorAll("td:not(.custdyn-space)")];
  let current = null;
  const settle = (cell) => {
    if (current) current.tabIndex = -1;
    current = cell;
    if (cell) Object.assign(cell, { tabIndex: 0 }).dataset.lmSuppressShortcuts = "true";
  };
  const go = (cell) => cell && (settle(cell), cell.focus());
  const act = (cell, part = 0) => {
    const row = cell.closest("tr");
    const place = row.dataset.place === undefined ? null : Number(row.dataset.place);
    settle(cell);
    open(place, sources[numbers(row).indexOf(cell)] + part);
  };
  const rows = () => [...made.querySelectorAll("tbody:not(.custdyn-widths) tr:not([aria-hidden]), tfoot tr")];
  made.addEventListener("click", ({ target }) => {
    const cell = inBody(target.closest("td"));
    if (cell && getSelection().isCollapsed) act(cell, target.closest(".custdyn-change") ? CHANGE : 0);
  });
  made.addEventListener("keydown", (event) => {
    const cell = event.target.matches("td") && inBody(event.target);
    if (!cell) return;
    const row = cell.closest("tr");
    const [inRow, all] = [numbers(row), rows()];
    const [at, down] = [inRow.indexOf(cell), all.indexOf(row)];
    const beside = (step) => all[down + step] && numbers(all[down + step])[at];
    const to = {
      ArrowRight: () => inRow[at + 1], ArrowLeft: () => inRow[at - 1], ArrowDown: () => beside(1), ArrowUp: () => beside(-1),
      Home: () => inRow[0], End: () => inRow.at(-1),
    }[event.key];
    if (to) go(to());
    else if (event.key === "Enter" || event.key === " ")
      act(cell, event.shiftKey && cell.querySelector(".custdyn-change") ? CHANGE : 0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // The cell with the tab stop might not be drawn, so entering the region moves the focus to one that is.
  region.addEventListener("keydown", (event) => {
    if (event.target !== region || event.key !== "Enter") return;
    event.preventDefault();
    go(current?.isConnected ? current : numbers(rows()[0] ?? made)[0]);
  });
  settle(made.querySelector("tbody td:not(.custdyn-space)"));
  return { focus: () => current?.focus() };
}

// The browser can search and copy only what is drawn, so large tables have their own search and copy.

const plain = (text) => text.replaceAll(",", "");

function finder(shown, region, order, rowAt) {
  const field = element("input", { type: "search", "aria-label": "Find in table", placeholder: "Find in table" });
  const feedback = element("span", { role: "status", class: "custdyn-words" });
  const names = [...shown.headings, ...shown.groups.flatMap(({ name, span }) => Array(span).fill(name))];
  shown.columns.forEach(([label], i) => (names[shown.headings.length + i] += `: ${label}`));
  let sought = "";
  let at = null; // the row on screen and the cell that was found last
  let marked = null;
  const mark = (cell) => {
    marked?.classList.remove("custdyn-found");
    cell?.classList.add("custdyn-found");
    marked = cell;
  };
  const matches = () => {
    const [exact, number] = [sought.toLowerCase(), plain(sought)];
    const found = [];
    order().forEach((row, place) => {
      const { labels, cells } = shown.rows[row];
      labels.forEach((text, i) => text.toLowerCase().includes(exact) && found.push([place, i]));
      cells.forEach((text, i) => plain(text).includes(number) && found.push([place, labels.length + i]));
    });
    return found;
  };
  const center = (cell) => {
    const [box, area] = [cell.getBoundingClientRect(), region.getBoundingClientRect()];
    region.scrollBy(box.left + box.width / 2 - area.left - area.width / 2, box.top - area.top - area.height / 2);
    cell.scrollIntoView({ block: "nearest", inline: "nearest" }); // the table itself may be partly out of view
  };
  const go = (step) => {
    if (field.value.trim() !== sought) [sought, at] = [field.value.trim(), null];
    const found = sought ? matches() : [];
    if (!found.length) return mark(null), (feedback.textContent = sought ? "Not found" : "");
    const now = found.findIndex(([place, column]) => place === at?.[0] && column === at[1]);
    const next = now < 0 ? (step < 0 ? found.length - 1 : 0) : (now + step + found.length) % found.length;
    at = found[next];
    const row = rowAt(at[0]);
    const cell = row.cells[at[1]];
    mark(cell);
    center(cell);
    requestAnimationFrame(() => setTimeout(() => marked === cell && center(cell))); // rows above now have their heights
    const { labels } = shown.rows[order()[at[0]]];
    feedback.textContent = `${next + 1} of ${found.length}: ${labels.join(", ")}, ${names[at[1]]}`;
  };
  field.addEventListener("input", () => go(0));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") (event.preventDefault(), go(event.shiftKey ? -1 : 1));
    if (event.key === "Escape" && field.value) (event.stopPropagation(), event.preventDefault(), (field.value = ""), go(0));
  });
  const parts = [field, button("Previous", () => go(-1)), button("Next", () => go(1)), feedback];
  return element("span", { role: "search", "aria-label": "The report's table", class: "custdyn-find" }, ...parts);
}

// A spreadsheet treats a cell that begins with a quote as a quoted cell.
const pasted = (text) => (text.startsWith('"') ? `"${text.replaceAll('"', '""')}"` : text);

function copyTable(shown, order) {
  const groups = shown.groups.flatMap(({ name, span }) => Array(span).fill(name));
  const copy = button("Copy table", async () => {
    const rows = [...order().map((row) => shown.rows[row]), ...(shown.total ? [shown.total] : [])];
    const lines = rows.map(({ labels, cells, guarded = labels }) => {
      const blanks = Array(Math.max(0, shown.headings.length - labels.length)).fill("");
      return [...guarded.map(pasted), ...blanks, ...cells.map((text) => (text === "–" ? "" : plain(text)))];
    });
    lines.unshift([...shown.headings, ...shown.columns.map(([label], i) => `${groups[i]}: ${label}`)]);
    const done = await copiedText(lines.map((cells) => cells.join("\t")).join("\r\n"));
    feedback.textContent = done ? `Copied ${lines.length - 1} rows` : "The browser denies access to the clipboard. Use an export instead.";
  });
  const feedback = element("span", { role: "status", class: "custdyn-words" });
  return element("span", { class: "custdyn-find" }, copy, feedback);
}

// Shadows show that there is more below or to the right, since many systems hide scroll bars.

function shades(region, place) {
  const shade = () => {
    place.classList.toggle("custdyn-more", region.scrollTop + region.clientHeight < region.scrollHeight - 2);
    place.classList.toggle("custdyn-wider", region.scrollLeft + region.clientWidth < region.scrollWidth - 2);
  };
  region.addEventListener("scroll", shade, { passive: true });
  const sized = new ResizeObserver(shade);
  for (const part of [region, region.firstChild]) sized.observe(part);
  return place;
}

// Info and definitions.

function info(shown) {
  const pairs = (list) =>
    element("dl", {}, ...list.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, element("bdi", {}, text))]));
  const definitions = shown.definitions.flatMap(([group, columns]) => [element("h4", {}, group), pairs(columns)]);
  const items = shown.surprises.map((note) => element("li", {}, note));
  const surprises = items.length ? [element("h4", {}, "Good to know"), element("ul", {}, ...items)] : [];
  return [pairs(shown.info), ...surprises, ...definitions];
}

// A menu button. Arrow keys, Home and End move within the menu, Escape closes it, and Tab leaves it.

function menuButton(text, names, pick) {
  const items = names.map((name) =>
    button(name, () => (close(), opener.focus(), pick(name)), { role: "menuitem", tabindex: "-1" }),
  );
  const menu = element("div", { role: "menu", "aria-label": text, class: "custdyn-menu" }, ...items);
  const opener = button(text, () => (menu.hidden ? open() : close()), { "aria-haspopup": "menu", ...NEEDS_KERNEL });
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
    event.stopPropagation(); // otherwise, the toolbar would move the focus too
  });
  whole.addEventListener("focusout", (event) => whole.contains(event.relatedTarget) || close());
  return whole;
}

// Tab stops once in the toolbar, and arrows move within it.

function toolbar(...parts) {
  const bar = element("div", { role: "toolbar", "aria-label": "Report", class: "custdyn-toolbar" }, ...parts);
  const stops = () => [...bar.querySelectorAll("button:not([role=menuitem]):not([disabled]), input")];
  const settle = (chosen) => stops().forEach((stop) => (stop.tabIndex = stop === chosen ? 0 : -1));
  settle(stops()[0]);
  bar.addEventListener("focusin", (event) => stops().includes(event.target) && settle(event.target));
  bar.addEventListener("keydown", (event) => {
    const all = stops();
    const [at, last] = [all.indexOf(event.target), all.length - 1];
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    all[to].focus();
    event.preventDefault();
  });
  return bar;
}

// A chart is below the table, often out of view, and grows when drawn, and JupyterLab scrolls when it lays out its cells
// again. So the chart is kept in view until the user does something else.
function follow(chart) {
  const show = () => chart.scrollIntoView({ block: "nearest" });
  const growing = new ResizeObserver(show);
  const events = ["wheel", "touchmove", "pointerdown", "keydown", "focusin"];
  const stop = (event) => {
    if (event && isComposing(event, chart)) return;
    growing.disconnect();
    removeEventListener("scroll", show, true);
    for (const event of events) removeEventListener(event, stop, true);
  };
  growing.observe(chart);
  addEventListener("scroll", show, true);
  for (const event of events) addEventListener(event, stop, true);
  setTimeout(stop, 60_000); // the first chart waits for the drawing library, for long on a busy machine
}

// Returns whether an event is part of composing a Blank Chart; scrolling and leaving the chart are not.
function isComposing(event, chart) {
  const { type, target, key = "" } = event; // keys that a password manager presses have no names
  // A click beside a control focuses the notebook's cell around the chart, and returning to the window focuses what had
  // the focus before.
  if (type === "focusin") return chart.contains(target) || target.contains(chart) || !event.relatedTarget;
  if (!chart.contains(target)) return false;
  if (type === "wheel" || type === "touchmove") return Boolean(target.closest(".custdyn-popup"));
  if (type !== "keydown") return true;
  const isSearch = key === "F3" || ((event.ctrlKey || event.metaKey) && !event.altKey && /^[fg]$/i.test(key));
  if (isSearch || key.startsWith("Page")) return false;
  return !/^(Arrow|Home$|End$| $)/.test(key) || Boolean(target.closest("input, select, textarea, .custdyn-chips"));
}

// Copies text that is not on screen.
async function copiedText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const give = (event) => (event.clipboardData.setData("text/plain", text), event.preventDefault());
    document.addEventListener("copy", give, { capture: true, once: true });
    const done = document.execCommand("copy");
    document.removeEventListener("copy", give, true);
    return done;
  }
}

const LABELS = { below: "Changes: below the number", columns: "Changes: in columns" };
const OPENED = "Click a number to see the clients behind its row, or press Enter on it.";
const OPENED_CHANGE = "Click a change, or press Shift+Enter, to see which clients changed the most.";

function report(model, shown) {
  const details = element("div", { class: "custdyn-info", hidden: "" }, ...info(shown));
  const total = element("input", { type: "checkbox" });
  const ask = (format) => model.send({ ask: format, page: globalThis[PAGE], total: total.checked });
  const exports = Object.entries(shown.formats).map(([format, name]) =>
    button(`Export to ${name}`, () => ask(format), NEEDS_KERNEL),
  );
  const hasCsv = Object.keys(shown.formats).some((format) => format.startsWith("csv"));
  if (shown.total && hasCsv) exports.push(element("label", { class: "custdyn-total" }, total, " Total in CSV"));
  const toggle = button("Info", () => {
    details.hidden = !details.hidden;
    toggle.setAttribute("aria-expanded", String(!details.hidden));
  }, { "aria-expanded": "false" });
  const charts = menuButton("Show Chart", shown.charts, (chart) => {
    model.send({ chart });
    const place = charts.closest(".custdyn-app")?.querySelector(".custdyn-chart");
    if (place) follow(place);
  });
  const changed = button("Changes since …", () => model.send({ ask: "changes" }), {
    "data-changes": "", title: "Show what differs from an earlier snapshot of this query.", ...NEEDS_KERNEL,
  });
  const link = element("p", { class: "custdyn-link" });
  const compared = shown.output === "web" && shown.parts.includes("before");
  const changes = button(LABELS[model.get("_changes")], () => {
    model.set("_changes", model.get("_changes") === "below" ? "columns" : "below");
    model.save_changes();
  });
  let focus = () => {};
  let redraw = () => {};
  const parts = [
    element("p", { class: "custdyn-asked" }, shown.asked, "."),
    toolbar(...exports, ...(shown.output === "web" ? [charts] : []), ...(compared ? [changes] : []),
      ...(shown.changes ? [changed] : []), toggle),
    link,
    details,
    ...shown.warnings.map((words) => element("p", { class: "custdyn-warning" }, "⚠ ", words)),
  ];
  if (shown.message) parts.push(element("p", { class: "custdyn-message" }, shown.message));
  if (shown.output === "web") {
    const region = { class: "custdyn-scroll", tabindex: "0", role: "region", "aria-label": "The report's table" };
    const scroll = element("div", region);
    const tools = element("div", { class: "custdyn-tools" });
    const place = element("div", { class: "custdyn-place" }, scroll);
    const draw = () => {
      const view = arranged(shown, model.get("_changes"));
      const drawn = table(view, scroll);
      scroll.replaceChildren(drawn.made);
      tools.replaceChildren(...drawn.tools);
      changes.textContent = LABELS[model.get("_changes")];
      if (shown.clients) focus = openable(drawn.made, scroll, view.sources, (row, column) => model.send({ cell: [row, column] })).focus;
    };
    draw();
    redraw = draw;
    if (tools.children.length) parts.push(tools);
    parts.push(shades(scroll, place));
    const notes = shown.rows.length > MAX_WHOLE ? [...shown.notes, shown.large_note] : shown.notes;
    parts.push(element("p", { class: "custdyn-note" }, [...notes, ...(shown.clients ? [OPENED, ...(compared ? [OPENED_CHANGE] : [])] : [])].join(" ")));
  }
  return { parts, link, redraw: () => redraw(), focus: () => focus() };
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
  const place = element("div");
  el.classList.add("custdyn-result", "mathjax_ignore"); // a name such as "$5 to $10" is not a formula
  const outdated = element("p", { class: "custdyn-outdated", role: "status" });
  el.replaceChildren(status, error, outdated, place);

  let link = null;
  let made = null;
  let hasKernel = true;
  const showStatus = () => {
    const { words: text, done } = model.get("_status");
    words.textContent = text;
    bar.hidden = done === null || done === undefined;
    if (!bar.hidden) bar.value = done;
  };
  const showError = () => (error.textContent = model.get("_error"));
  const showOutdated = () => {
    const reason = model.get("_outdated");
    outdated.textContent = reason && hasKernel ? `${reason} ${UPDATE}` : reason;
    place.classList.toggle("custdyn-old", Boolean(reason));
  };
  const showLink = () => link?.replaceChildren(...linkLine(model.get("_link"), () => model.send({ ask: "page", page: globalThis[PAGE] })));
  const showReport = () => {
    const shown = model.get("_shown");
    if (!shown.columns) return;
    made = report(model, shown);
    link = made.link;
    place.replaceChildren(...made.parts);
    showLink();
  };
  // There is no kernel to complete the work that the status shows, or to respond to a click.
  const gone = () => {
    error.textContent = GONE;
    words.textContent = "";
    bar.hidden = true;
    hasKernel = false;
    showOutdated();
    if (link?.querySelector("progress")) link.replaceChildren();
    for (const asking of place.querySelectorAll("[data-needs-kernel]")) asking.disabled = true;
  };
  // Only if the focus was on the chart, because another page may show the same notebook.
  const received = ({ kind }) => {
    const cursor = document.activeElement;
    const lost = cursor === document.body || cursor?.closest(".custdyn-chart");
    if (kind === "clients closed" && (cursor === document.body || cursor?.closest(".custdyn-clients"))) made?.focus();
    if (kind === "changes closed" && (cursor === document.body || cursor?.closest(".custdyn-differences")))
      (place.querySelector("[data-changes]") ?? el.closest(".custdyn-app")?.querySelector(".custdyn-opens-menu"))?.focus();
    if (kind === "chart closed" && lost) place.querySelector('[aria-haspopup="menu"]')?.focus();
  };

  const listeners = {
    "change:_shown": showReport,
    "change:_status": showStatus,
    "change:_error": showError,
    "change:_outdated": showOutdated,
    "change:_link": showLink,
    "change:_changes": () => made?.redraw(),
    comm_live_update: gone,
    "msg:custom": received,
  };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  for (const show of [showReport, showStatus, showError, showOutdated]) show();
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
  };
}

export default { initialize, render };
