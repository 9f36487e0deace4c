// What differs between an earlier snapshot and the current data. It is computed in Python; names are text, never markup.

const NUMBERS = 3; // the last columns: old, new and change

function table({ title, headings, lines }) {
  const isNumber = (i) => i >= headings.length - NUMBERS;
  const heads = headings.map((text, i) => element("th", { scope: "col", class: isNumber(i) ? "" : "custdyn-label" }, text));
  const rows = lines.map((texts) =>
    element("tr", {}, ...texts.map((text, i) => {
      if (isNumber(i)) return element("td", { class: text.startsWith("-") ? "custdyn-negative" : "" }, ...number(text));
      return element("th", { scope: "row", class: "custdyn-label" }, element("bdi", {}, text));
    })),
  );
  return element("table", { "aria-label": title }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

function initialize({ model }) {
  const received = (message, buffers) => {
    if (message.kind === "page" && message.page === globalThis[PAGE]) openPage(buffers[0]);
  };
  model.on("msg:custom", received);
  return () => model.off("msg:custom", received);
}

function render({ model, el }) {
  el.classList.add("custdyn-result", "mathjax_ignore"); // a name such as "$5 to $10" is not a formula
  const title = element("h3", { tabindex: "-1" });
  const list = element("ul", { class: "custdyn-snapshots" });
  const save = button("Export changes to CSV", () => model.send({ ask: "csv", page: globalThis[PAGE] }));
  const clients = button("", () => model.send({ ask: "clients" }));
  const create = button("Create link", () => model.send({ ask: "link" }), {
    title: "Publish these changes as a page with its own link, without client names.",
  });
  const link = element("p", { class: "custdyn-link" });
  const announcement = element("span", { class: "custdyn-unseen", role: "status" }); // tells screen readers about the link
  const close = () => model.send({ ask: "close" });
  const tools = element("div", { class: "custdyn-tools custdyn-find" }, clients, save, create, button("Close", close));
  const feedback = element("p", { class: "custdyn-words", role: "status" });
  const error = element("p", { class: "custdyn-error", role: "alert" });
  const why = element("ul", { class: "custdyn-reasons" });
  const scroll = element("div", { class: "custdyn-scroll", tabindex: "0", role: "region", "aria-label": "The table of changes" });
  const note = element("p", { class: "custdyn-note" });
  const parts = [title, tools, link, announcement, error, feedback, list, scroll, why, note];
  const whole = element("section", { class: "custdyn-behind custdyn-differences", hidden: "" }, ...parts);
  el.replaceChildren(whole);
  whole.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });

  const show = (words) => {
    whole.hidden = false;
    title.textContent = words;
    whole.setAttribute("aria-label", words);
    error.textContent = "";
    scroll.hidden = list.hidden = save.hidden = clients.hidden = create.hidden = true;
    scroll.replaceChildren();
    link.replaceChildren();
    why.replaceChildren();
    feedback.textContent = announcement.textContent = note.textContent = "";
  };
  const enter = () => {
    title.focus({ preventScroll: true });
    whole.scrollIntoView({ block: "nearest" });
  };
  function offer({ snapshots, opened }) {
    show("Changes since an earlier snapshot");
    list.replaceChildren(...snapshots.map(([id, label, same]) => {
      const mark = same ? [element("span", { class: "custdyn-words" }, " same query")] : [];
      return element("li", {}, button(label, () => model.send({ snapshot: id })), ...mark);
    }));
    list.hidden = !snapshots.length;
    feedback.textContent = snapshots.length
      ? "Choose the report to compare with the current data."
      : "There are no snapshots of this source yet. Each query creates one.";
    if (opened) enter();
  }
  function compare(found) {
    show(found.title);
    const some = found.lines.length < found.found ? `; the first ${found.lines.length.toLocaleString("en")} are shown` : "";
    const cells = found.found === 1 ? "1 cell differs" : `${found.found.toLocaleString("en")} cells differ`;
    feedback.textContent = found.found ? `${cells} from the current data${some}.` : "No cell differs from the current data.";
    scroll.hidden = save.hidden = !found.lines.length;
    clients.hidden = !found.clients;
    clients.textContent = found.clients;
    create.hidden = false;
    if (found.lines.length) scroll.replaceChildren(table(found));
    why.replaceChildren(...found.reasons.map((words) => element("li", {}, words)));
    note.textContent = found.note;
    enter();
  }
  // Only if the focus was on the clients, because another page may show the same notebook.
  function backFromClients() {
    const cursor = document.activeElement;
    if (!whole.hidden && (cursor === document.body || cursor?.closest(".custdyn-changed-clients"))) clients.focus();
  }
  // Once there is a link, the button is no longer needed; after an error, it remains.
  function showLink(made) {
    link.replaceChildren(...linkLine(made, () => model.send({ ask: "page", page: globalThis[PAGE] })));
    announcement.textContent = made.link ? `The link is ready. ${made.words}` : made.words;
    const focused = document.activeElement === create;
    create.hidden = Boolean(made.link);
    if (focused && made.link) link.querySelector("a, button")?.focus();
  }
  const received = (message) => {
    if (message.kind === "snapshots") offer(message);
    else if (message.kind === "difference") compare(message);
    else if (message.kind === "link") showLink(message);
    else if (message.kind === "clients closed") backFromClients();
    else if (message.kind === "busy") feedback.textContent = "Comparing …";
    else if (message.kind === "closed") (whole.hidden = true), scroll.replaceChildren(), list.replaceChildren();
    else if (message.kind === "error") (whole.hidden = false), (feedback.textContent = ""), (error.textContent = message.words);
  };
  // There is no kernel to complete the link.
  const gone = () => {
    if (link.querySelector("progress")) link.replaceChildren();
  };
  model.on("msg:custom", received);
  model.on("comm_live_update", gone);
  return () => {
    model.off("msg:custom", received);
    model.off("comm_live_update", gone);
  };
}

export default { initialize, render };
