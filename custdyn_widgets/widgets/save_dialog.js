// The dialog that saves a query: native controls, errors below them, and a question before overwriting.
// Values are sent to Python when a control loses the focus, so that a second view shows the same values.

// Otherwise, Lab handles keys: D, D deletes a cell. Lab checks only the focused element for this.
const CONTROLS = ["input", "textarea", "select", "button"];
const TICKED = "yes";

let views = 0;

function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  if (CONTROLS.includes(tag)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content); // strings become text nodes, never markup
  return made;
}

// Help texts describe the control; `showError` adds the error.
function labelled(words, control, ...helps) {
  control.dataset.help = helps.map((one) => one.id).join(" ");
  return element("div", { class: "custdyn-dialog-field" }, element("label", { for: control.id }, words), control, ...helps);
}

function help(id, words, attributes = {}) {
  return element("p", { id, class: "custdyn-dialog-help", ...attributes }, words);
}

function line(id, name, attributes = {}) {
  const made = element("input", { id: `${id}-${name}`, type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  made.dataset.field = name;
  return made;
}

function area(id, name, attributes = {}) {
  const made = element("textarea", { id: `${id}-${name}`, rows: "2", ...attributes });
  made.dataset.field = name;
  return made;
}

function choice(control, words) {
  const label = element("label", { for: control.id }, element("bdi", {}, words));
  return element("div", { class: "custdyn-dialog-choice" }, control, label);
}

function radios(id, name, words, options) {
  const group = element("fieldset", {}, element("legend", {}, words));
  options.forEach(([value, text], i) => {
    const radio = element("input", { type: "radio", id: `${id}-${name}-${i}`, name: `${id}-${name}`, value });
    radio.dataset.field = name;
    group.append(choice(radio, text));
  });
  return group;
}

function checkbox(id, name, words) {
  const made = element("input", { type: "checkbox", id: `${id}-${name}` });
  made.dataset.field = name;
  return choice(made, words);
}

function valueOf(control) {
  return control.type === "checkbox" ? (control.checked ? TICKED : "") : control.value;
}

function put(control, value) {
  if (control.type === "radio") control.checked = control.value === value;
  else if (control.type === "checkbox") control.checked = value === TICKED;
  else if (control.value !== value) control.value = value; // only if different, or the cursor would move
}

// The list of conditions. It is one field, whose value is JSON text: a hidden input, with controls for each condition.
function alerts(id, choices, forgetError) {
  const field = element("input", { type: "hidden" });
  field.dataset.field = "alert_if";
  const rows = element("div", { class: "custdyn-dialog-alerts" });
  const add = button("Add condition", "button", false);
  let drawn = null;

  const read = () => {
    const listed = [...rows.children].map((row) =>
      Object.fromEntries([...row.querySelectorAll("[data-part]")].map((one) => [one.dataset.key, one.value])),
    );
    field.value = drawn = listed.length ? JSON.stringify(listed) : "";
  };
  const changed = () => {
    read();
    for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  const part = (control, key, name, number, value) => {
    control.dataset.key = key;
    control.dataset.part = `alert_if[${number}].${key}`;
    control.setAttribute("aria-label", name);
    if (value !== undefined) control.value = value;
    return control;
  };
  const select = (key, name, number, value) => {
    const made = element("select");
    for (const [option, words] of choices[key] ?? []) made.append(element("option", { value: option }, words));
    return part(made, key, name, number, value);
  };
  const row = (one, number) => {
    const bound = part(
      element("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "100 or 5%" }),
      "bound", "Bound", number, one.bound ?? "",
    );
    bound.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // Lab suppresses Enter in fields of outputs
      bound.form.requestSubmit();
    });
    const remove = button("Remove", "button", false);
    remove.setAttribute("aria-label", `Remove condition ${number + 1}`);
    remove.addEventListener("click", () => {
      const left = list().filter((_, i) => i !== number);
      draw(left);
      forgetError(); // the error refers to a condition by its number
      (rows.children[Math.min(number, left.length - 1)]?.querySelector("button") ?? add).focus();
      changed();
    });
    return element(
      "div",
      { class: "custdyn-dialog-alert", role: "group", "aria-label": `Condition ${number + 1}` },
      select("column", "Column", number, one.column),
      select("row", "Row", number, one.row),
      select("relation", "Relation", number, one.relation),
      bound,
      remove,
    );
  };
  const list = () => JSON.parse(field.value || "[]");
  const draw = (listed) => rows.replaceChildren(...listed.map(row));
  const show = () => {
    if (field.value === drawn) return; // otherwise, the control in use would lose the focus
    drawn = field.value;
    draw(list());
  };
  add.addEventListener("click", () => {
    draw([...list(), {}]);
    rows.lastChild.querySelector("select").focus();
    changed();
  });
  rows.addEventListener("input", read); // before the form's listeners, which read the field
  rows.addEventListener("change", read);
  const about = help(
    `${id}-alerts-help`,
    "One email is sent when a condition becomes true, and one when it is no longer true. A bound may be a " +
      "percentage for falls, rises and rates. Every run creates a snapshot.",
  );
  const box = element(
    "fieldset",
    { "aria-describedby": about.id },
    element("legend", {}, "Send only when one of these becomes true or is no longer true"),
    field, rows, add, about,
  );
  return { box, show };
}

// The fields for automatic runs. Without a schedule, only the cron expression is shown.
function automation(id, choices, forgetError) {
  const cron = line(id, "schedule.cron");
  const zone = line(id, "schedule.timezone");
  const failureRecipients = area(id, "failure_recipients", { rows: "1", autocomplete: "off" });
  const keepLast = line(id, "retention.keep_last", { inputmode: "numeric" });
  const olderThan = line(id, "retention.older_than");
  const warning = help(`${id}-nobody`, "", { role: "status" });
  const otherwise = help(`${id}-only-help`, "Otherwise, nothing is frozen or sent.");
  const conditions = alerts(id, choices, forgetError);
  const staying = help(
    `${id}-retention-help`,
    "A number such as 12, or an age such as 90d, 12w, 6m or 1y. If both are empty, all are kept. If both are " +
      "given, the newest ones are kept regardless of age.",
  );
  const more = element(
    "div",
    {},
    labelled("Time zone", zone),
    labelled(
      "Notify on failure", failureRecipients,
      help(`${id}-told-help`, "Email addresses that receive a message about what failed and what to do."), warning,
    ),
    element(
      "fieldset",
      { "aria-describedby": otherwise.id },
      element("legend", {}, "Send only if"),
      checkbox(id, "only_if.changed", "the report has changed since last time"),
      checkbox(id, "only_if.not_empty", "the report is not empty"),
      checkbox(id, "only_if.fresh", "the data reaches the report's end; otherwise the run fails"),
      otherwise,
    ),
    conditions.box,
    element(
      "fieldset",
      { "aria-describedby": staying.id },
      element("legend", {}, "Snapshots from its runs"),
      element(
        "div",
        { class: "custdyn-dialog-pair" },
        labelled("Keep the last", keepLast),
        labelled("Delete those older than", olderThan),
      ),
      staying,
    ),
  );
  const part = element(
    "fieldset",
    {},
    element("legend", {}, "Schedule (optional)"),
    labelled(
      "Cron expression", cron,
      help(
        `${id}-cron-help`,
        "Minute, hour, day of the month, month, day of the week: 0 6 1 * * is 06:00 on the first of each month. " +
          "The command custdyn queries crontab prints the line for your crontab.",
      ),
    ),
    more,
  );
  const update = () => {
    conditions.show();
    const scheduled = Boolean(cron.value.trim());
    const hasValues = [...more.querySelectorAll("[data-field]")].some((one) => one !== zone && valueOf(one).trim());
    // Never hide a field that has a value or the focus.
    more.hidden = !scheduled && !hasValues && !more.contains(document.activeElement);
    const words = scheduled && !failureRecipients.value.trim() ? "Nobody will be notified of failures." : "";
    if (warning.textContent !== words) warning.textContent = words;
    failureRecipients.dataset.help = words ? `${id}-told-help ${warning.id}` : `${id}-told-help`;
  };
  return { part, update };
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
      if (control.type !== "radio" || control.checked) fields[control.dataset.field] = valueOf(control);
    return fields;
  };
  const keep = () => {
    if (!parts) return; // removing a focused field triggers another change
    model.set("fields", typed());
    model.save_changes();
  };
  const ask = (what) => {
    keep(); // otherwise, an earlier update could arrive late and overwrite newer input
    model.send({ do: what, fields: typed() });
  };

  const build = () => {
    const title = line(id, "title", { spellcheck: "true", "aria-required": "true" });
    const description = area(id, "description");
    const output = element("select", { id: `${id}-output` });
    output.dataset.field = "output";
    for (const [value, text] of model.get("outputs")) output.append(element("option", { value }, text));
    const total = element("div", { class: "custdyn-dialog-field" }, checkbox(id, "total", "Total as the last row of the CSV that is sent"));
    const sendTo = area(id, "recipients", { autocomplete: "off" });
    const save = button("Save", "submit", true);
    const cancel = button("Cancel", "button", false);
    const recipients = labelled(
      "Send to (optional)", sendTo,
      help(`${id}-send-help`, "Email addresses. Each scheduled run sends them the file."),
    );
    const schedule = automation(id, model.get("conditions"), () => model.set("error", []));
    const controls = element(
      "fieldset",
      { class: "custdyn-dialog-all", "aria-label": "The saved query" },
      labelled("Title", title),
      labelled("Description (optional)", description),
      radios(id, "place", "Where", model.get("places")),
      radios(id, "interval", "Interval", model.get("intervals")),
      labelled("Output", output),
      total,
      ...division(),
      recipients,
      radios(id, "chart", "Chart", model.get("charts")),
      schedule.part,
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
    // Lab suppresses Enter in fields of outputs.
    const onEnter = (control, act) =>
      control.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault();
        act();
      });
    for (const one of form.querySelectorAll("input")) onEnter(one, () => form.requestSubmit());
    for (const one of form.querySelectorAll("textarea"))
      onEnter(one, () => one.setRangeText("\n", one.selectionStart, one.selectionEnd, "end"));
    cancel.addEventListener("click", () => ask("cancel"));
    const heading = element("h2", { id: `${id}-heading` }, "Save Query");
    const subtitle = element("p", { class: "custdyn-dialog-subtitle" }, "New Template");
    const dialog = element(
      "div",
      { role: "dialog", "aria-labelledby": heading.id },
      heading,
      subtitle,
      element("p", { class: "custdyn-dialog-asked" }, element("bdi", {}, model.get("asked"))),
      form,
    );
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation(); // in Lab, Escape leaves the cell
      ask(model.get("question").length ? "keep" : "cancel");
    });
    form.addEventListener("input", showParts);
    parts = { form, title, controls, error, question, buttons, output, total, recipients, schedule };
    showFields();
    el.replaceChildren(dialog);
  };

  const division = () => {
    const words = model.get("division");
    if (!words) return [];
    const each = checkbox(id, "for_each", words);
    const about = help(`${id}-each-help`, "Each is sent only to its own addresses. Untick this to send a single report.");
    each.firstChild.dataset.help = about.id;
    return [element("div", { class: "custdyn-dialog-field" }, each, about)];
  };

  const named = (field) => {
    const name = CSS.escape(field);
    const all = [...parts.form.querySelectorAll(`[data-field="${name}"], [data-part="${name}"]`)];
    return all.find((control) => control.checked) ?? all[0];
  };

  const showParts = () => {
    const each = named("for_each");
    const file = parts.output.value !== "web"; // a table cannot be sent
    parts.total.hidden = !parts.output.value.startsWith("csv"); // the others always show it
    parts.recipients.hidden = !file || Boolean(each?.checked);
    parts.schedule.update();
    describe();
  };

  const describe = () => {
    const [words = "", field = ""] = model.get("error");
    for (const control of parts.form.querySelectorAll("[data-field], [data-part]")) {
      const wrong = Boolean(words) && field === (control.dataset.field ?? control.dataset.part);
      const ids = [control.dataset.help, wrong ? parts.error.id : ""].filter(Boolean).join(" ");
      if (ids) control.setAttribute("aria-describedby", ids);
      else control.removeAttribute("aria-describedby");
      if (["text", "textarea", "select-one"].includes(control.type)) control.setAttribute("aria-invalid", String(wrong));
    }
  };

  const showError = () => {
    if (!parts) return;
    const [words = "", field = ""] = model.get("error");
    const found = words && named(field);
    const wrong = found && !found.closest("[hidden]") ? found : null;
    if (wrong) wrong.closest(".custdyn-dialog-field, fieldset").append(parts.error);
    else parts.controls.after(parts.error);
    parts.error.textContent = words;
    describe();
    if (words) (wrong ?? parts.title).focus();
  };

  const showQuestion = () => {
    if (!parts) return;
    const [words, yes, no] = model.get("question");
    parts.controls.disabled = Boolean(words); // the question is about these values
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
    keepIt.focus(); // the safe answer
  };

  const showFields = () => {
    if (!parts) return;
    const fields = model.get("fields");
    for (const control of parts.form.querySelectorAll("[data-field]")) put(control, fields[control.dataset.field]);
    showParts();
  };

  const show = (focus) => {
    const shown = model.get("opened") > 0;
    el.classList.toggle("custdyn-dialog-closed", !shown);
    if (shown) {
      if (!parts) cameFrom = document.activeElement;
      build();
      showError();
      showQuestion();
      if (focus && !model.get("question").length) parts.title.select(); // so that typing replaces it
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
