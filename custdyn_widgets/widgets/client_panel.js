// The clients behind a cell. Searching, sorting and exporting are done in Python; names are text, never markup.

const PAUSE = 250; // milliseconds to wait after the last keystroke before searching

function head({ columns, view }, ask) {
  const heads = columns.map(([name, isText], i) => {
    const order = view.sort !== name ? "none" : view.descending ? "descending" : "ascending";
    const kind = isText ? "custdyn-label" : "";
    const made = element("th", { scope: "col", "aria-sort": order, class: kind });
    // The first click sorts numbers in descending order and text in ascending order.
    const descending = order === "none" ? !isText : order === "ascending";
    made.append(button(name, () => ask({ sort: name, descending }), { class: "custdyn-sort", "data-column": i }));
    return made;
  });
  return element("thead", {}, element("tr", {}, ...heads));
}

function line(texts, columns) {
  const cells = texts.map((text, i) => {
    if (!i) return element("th", { scope: "row", class: "custdyn-label" }, element("bdi", {}, text));
    if (columns[i][1]) return element("td", { class: "custdyn-text" }, element("bdi", {}, text));
    return element("td", { class: text.startsWith("-") ? "custdyn-negative" : "" }, ...number(text));
  });
  return element("tr", {}, ...cells);
}

function render({ model, el }) {
  el.classList.add("custdyn-result", "mathjax_ignore"); // a name such as "$5 to $10" is not a formula
  const send = (what) => model.send({ ask: "view", ...what });
  const title = element("h3", { tabindex: "-1" });
  const search = element("input", { type: "search" });
  const only = element("select", { "aria-label": "Which clients" });
  const change = element("input", { type: "checkbox" });
  const sign = element("select", { "aria-label": "Which balances" },
    ...[["", "Any balance"], ["positive", "Positive balance"], ["negative", "Negative balance"]].map(([value, text]) => element("option", { value }, text)));
  const groups = element("div", { class: "custdyn-find", role: "group", "aria-label": "Split by" });
  const changes = element("label", { class: "custdyn-total" }, change, " Changes, largest first");
  const save = button("", () => model.send({ ask: "csv", page: globalThis[PAGE] }));
  const close = () => model.send({ ask: "close" });
  const tools = element("div", { class: "custdyn-tools custdyn-find" }, search, only, sign, changes,
    save, button("Close", close));
  const feedback = element("p", { class: "custdyn-words", role: "status" });
  const error = element("p", { class: "custdyn-error", role: "alert" });
  const scroll = element("div", { class: "custdyn-scroll", tabindex: "0", role: "region", "aria-label": "The table of clients" });
  const more = button("Show more", () => send({ more: true }));
  const note = element("p", { class: "custdyn-note" });
  const whole = element("section", { class: `custdyn-behind ${model.get("_name")}`, hidden: "" }, title, groups, tools, error, feedback, scroll, more, note);
  el.replaceChildren(whole);

  let pause = 0;
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => send({ search: search.value }), PAUSE);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    clearTimeout(pause);
    send({ search: search.value });
  });
  only.addEventListener("change", () => send({ only: only.value }));
  sign.addEventListener("change", () => send({ sign: sign.value }));
  change.addEventListener("change", () => send({ change: change.checked }));
  whole.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || (event.target === search && search.value)) return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });

  // Buttons that remain are not replaced, so that they keep the focus.
  let offered = "";
  function showGroups({ groups: all, view }) {
    groups.hidden = all.length < 2;
    if (JSON.stringify(all) !== offered)
      groups.replaceChildren("By:", ...all.map(([by, text]) => button(text, () => send({ by }), { "data-by": by })));
    offered = JSON.stringify(all);
    for (const made of groups.querySelectorAll("button")) made.setAttribute("aria-pressed", String(made.dataset.by === view.by));
  }
  function show(shown) {
    const { columns, view, found, all, lines } = shown;
    whole.hidden = false;
    error.textContent = "";
    title.textContent = shown.title;
    whole.setAttribute("aria-label", shown.title);
    if (document.activeElement !== search) search.value = view.search;
    only.replaceChildren(...shown.choices.map(([value, text]) => element("option", { value }, text)));
    only.hidden = !shown.choices.length;
    only.value = view.only;
    sign.hidden = !shown.choices.length;
    sign.value = view.sign;
    showGroups(shown);
    changes.hidden = !shown.compared;
    change.checked = view.change;
    const one = view.by ? "row" : "client";
    save.textContent = `Export ${one}s to CSV`;
    search.placeholder = `Find ${one}s`;
    search.setAttribute("aria-label", search.placeholder);
    const counted = (count) => (count === 1 ? `1 ${shown.unit}` : `${count.toLocaleString("en")} ${shown.unit}s`);
    const some = lines.length < found ? `; the first ${lines.length.toLocaleString("en")} are shown` : "";
    feedback.textContent = (found === all ? counted(all) : `${found.toLocaleString("en")} of ${counted(all)}`) + some + ".";
    const focused = scroll.contains(document.activeElement) && document.activeElement.dataset.column;
    const table = element("table", { "aria-label": shown.title });
    table.append(head(shown, send), element("tbody", {}, ...lines.map((texts) => line(texts, columns))));
    if (shown.whole.length) table.append(element("tfoot", {}, line(shown.whole, columns)));
    scroll.replaceChildren(table);
    if (focused) scroll.querySelector(`[data-column="${focused}"]`)?.focus();
    more.hidden = !shown.more;
    note.textContent = shown.note;
    if (!shown.opened) return;
    title.focus({ preventScroll: true });
    whole.scrollIntoView({ block: "nearest" });
  }
  const busy = (message) => {
    whole.hidden = false;
    error.textContent = "";
    title.textContent = message.title;
    feedback.textContent = "Finding the clients …";
  };
  const received = (message) => {
    if (message.kind === "busy") busy(message);
    else if (message.kind === "clients") show(message);
    else if (message.kind === "closed") (whole.hidden = true), scroll.replaceChildren();
    else if (message.kind === "error") (whole.hidden = false), (feedback.textContent = ""), (error.textContent = message.words);
  };
  model.on("msg:custom", received);
  model.send({ ask: "view" }); // so that a new view shows a panel that is already open
  return () => {
    clearTimeout(pause);
    model.off("msg:custom", received);
  };
}

export default { render };
