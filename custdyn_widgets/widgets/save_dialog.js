// The dialog that saves a query: native controls, an error beside them, and a question before overwriting.
// What is typed is Python's as soon as a control is left, so that a second view shows the same.

// Lab's own keys for cells (D, D deletes one) stop only at the very element that has the focus.
const CONTROLS = ["input", "textarea", "select", "button"];

let views = 0;

function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  if (CONTROLS.includes(tag)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content); // texts become text nodes, never markup
  return made;
}

function labelled(id, words, control) {
  return element("div", { class: "custdyn-dialog-field" }, element("label", { for: id }, words), control);
}

function help(id, words) {
  return element("p", { id, class: "custdyn-dialog-help" }, words);
}

function radios(id, name, words, options, chosen) {
  const group = element("fieldset", {}, element("legend", {}, words));
  options.forEach(([value, text], i) => {
    const radio = element("input", { type: "radio", id: `${id}-${name}-${i}`, name: `${id}-${name}`, value });
    radio.dataset.field = name;
    radio.checked = value === chosen;
    group.append(
      element("div", {}, radio, element("label", { for: radio.id }, element("bdi", {}, text))),
    );
  });
  return group;
}

function button(words, type, primary) {
  const kind = `jupyter-widgets jupyter-button widget-button${primary ? " mod-primary" : ""}`;
  return element("button", { type, class: kind }, words);
}

function render({ model, el }) {
  const id = `custdyn-dialog-${(views += 1)}`;
  let parts = null;
  let cameFrom = null;

  const typed = () => {
    const fields = {};
    for (const control of parts.form.querySelectorAll("[data-field]"))
      if (control.type !== "radio" || control.checked) fields[control.dataset.field] = control.value;
    return fields;
  };
  const keep = () => {
    if (!parts) return; // a field that is taken away while it has the focus tells of its change once more
    model.set("fields", typed());
    model.save_changes();
  };
  const ask = (what) => {
    keep(); // or what was kept before, late on its way, would come back over what is typed meanwhile
    model.send({ do: what, fields: typed() });
  };

  const build = () => {
    const fields = model.get("fields");
    const title = element("input", {
      id: `${id}-title`, type: "text", autocomplete: "off", "aria-required": "true",
      "aria-describedby": `${id}-error`,
    });
    const description = element("textarea", { id: `${id}-description`, rows: "2" });
    const output = element("select", { id: `${id}-output` });
    for (const [value, text] of model.get("outputs")) output.append(element("option", { value }, text));
    const sendTo = element("textarea", {
      id: `${id}-recipients`, rows: "2", autocomplete: "off", "aria-describedby": `${id}-send-help ${id}-error`,
    });
    const cron = element("input", {
      id: `${id}-cron`, type: "text", autocomplete: "off", spellcheck: "false",
      "aria-describedby": `${id}-cron-help ${id}-error`,
    });
    const zone = element("input", {
      id: `${id}-zone`, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-error`,
    });
    const own = { recipients: sendTo, "schedule.cron": cron, "schedule.timezone": zone };
    Object.entries({ title, description, output, ...own }).forEach(([name, control]) => {
      control.dataset.field = name;
      control.value = fields[name];
    });
    const save = button("Save", "submit", true);
    const cancel = button("Cancel", "button", false);
    const recipients = labelled(sendTo.id, "Send to (optional)", sendTo);
    recipients.append(help(`${id}-send-help`, "E-mail addresses. Each scheduled run sends them the file."));
    const schedule = element(
      "fieldset",
      {},
      element("legend", {}, "Schedule (optional)"),
      labelled(cron.id, "Cron expression", cron),
      help(
        `${id}-cron-help`,
        "Minute, hour, day of the month, month, day of the week: 0 6 1 * * is 06:00 on the first of each month. " +
          "The command custdyn queries crontab prints the line that starts it.",
      ),
      labelled(zone.id, "On the clock of", zone),
    );
    const controls = element(
      "fieldset",
      { class: "custdyn-dialog-all", "aria-label": "The saved query" },
      labelled(title.id, "Title", title),
      labelled(description.id, "Description (optional)", description),
      radios(id, "place", "Where", model.get("places"), fields.place),
      radios(id, "interval", "Interval", model.get("intervals"), fields.interval),
      labelled(output.id, "Output", output),
      recipients,
      radios(id, "chart", "Chart", model.get("charts"), fields.chart),
      schedule,
    );
    const error = element("p", { id: `${id}-error`, class: "custdyn-dialog-error", role: "alert" });
    const question = element("div", { class: "custdyn-dialog-question" });
    const buttons = element("div", { class: "custdyn-dialog-buttons" }, save, cancel);
    const form = element("form", { novalidate: "" }, controls, error, question, buttons);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!model.get("question").length) ask("save");
    });
    form.addEventListener("change", keep);
    // Lab takes away what Enter does in a cell, in fields of outputs too.
    const onEnter = (control, act) =>
      control.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault();
        act();
      });
    for (const line of [title, cron, zone]) onEnter(line, () => form.requestSubmit());
    for (const area of [description, sendTo])
      onEnter(area, () => area.setRangeText("\n", area.selectionStart, area.selectionEnd, "end"));
    cancel.addEventListener("click", () => ask("cancel"));
    const heading = element("h2", { id: `${id}-heading` }, "New Template");
    const dialog = element(
      "div",
      { role: "dialog", "aria-labelledby": heading.id },
      heading,
      element("p", { class: "custdyn-dialog-asked" }, element("bdi", {}, model.get("asked"))),
      form,
    );
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation(); // to Lab it means: leave this cell
      ask(model.get("question").length ? "keep" : "cancel");
    });
    output.addEventListener("change", showSendTo);
    parts = { form, title, controls, error, question, buttons, output, recipients };
    showSendTo();
    el.replaceChildren(dialog);
  };

  const showSendTo = () => {
    parts.recipients.hidden = !["csv", "xlsx"].includes(parts.output.value); // a table is no file to be sent
  };

  const showError = () => {
    if (!parts) return;
    const [words = "", field = ""] = model.get("error");
    parts.error.textContent = words;
    for (const control of parts.form.querySelectorAll("input[type=text], textarea"))
      control.setAttribute("aria-invalid", String(field === control.dataset.field));
    if (words) (parts.form.querySelector(`[data-field="${CSS.escape(field)}"]`) ?? parts.title).focus();
  };

  const showQuestion = () => {
    if (!parts) return;
    const [words, yes, no] = model.get("question");
    parts.controls.disabled = Boolean(words); // the answer is about what was typed
    parts.buttons.hidden = Boolean(words);
    parts.question.replaceChildren();
    if (!words) return;
    const overwrite = button(yes, "button", false);
    const keepIt = button(no, "button", true);
    overwrite.addEventListener("click", () => ask("overwrite"));
    keepIt.addEventListener("click", () => ask("keep"));
    const text = element("p", { id: `${id}-question` }, words);
    const choice = element("div", { class: "custdyn-dialog-buttons" }, overwrite, keepIt);
    parts.question.append(
      element("div", { role: "alertdialog", "aria-labelledby": text.id, "aria-describedby": text.id }, text, choice),
    );
    keepIt.focus(); // the answer by which nothing is lost
  };

  const showFields = () => {
    if (!parts) return;
    const fields = model.get("fields");
    for (const control of parts.form.querySelectorAll("[data-field]")) {
      const value = fields[control.dataset.field];
      if (control.type === "radio") control.checked = control.value === value;
      else if (control.value !== value) control.value = value;
    }
    showSendTo();
  };

  const show = (focus) => {
    const shown = model.get("opened") > 0;
    el.classList.toggle("custdyn-dialog-closed", !shown);
    if (shown) {
      if (!parts) cameFrom = document.activeElement;
      build();
      showError();
      showQuestion();
      if (focus && !model.get("question").length) parts.title.focus();
    } else if (parts) {
      const inside = el.contains(document.activeElement) || document.activeElement === document.body;
      parts = null;
      el.replaceChildren();
      if (inside && cameFrom?.isConnected) cameFrom.focus();
    }
  };

  const opened = () => show(true);
  const answered = () => {
    showQuestion();
    if (parts && !model.get("question").length) parts.title.focus();
  };
  const listeners = {
    "change:opened": opened, "change:error": showError, "change:question": answered, "change:fields": showFields,
  };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  show(false);
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
  };
}

export default { render };
