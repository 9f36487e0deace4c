// A native control of the query form, with its label and error.
// Wall times remain strings, because a Date would shift times that are skipped in the browser's time zone.

const WAIT_FOR_YEAR = /^0/; // a year still being typed, such as 0002 on the way to 2021

const PAUSE = 300; // milliseconds

const KINDS = {
  choice: { tag: "select" },
  "wall time": { tag: "input", type: "datetime-local", step: "1", max: "9999-12-31T23:59:59" },
  number: { tag: "input", type: "number", step: "1" },
  flag: { tag: "input", type: "checkbox" },
  text: { tag: "input", type: "text", autocomplete: "off" },
};

function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function withSeconds(text) {
  return text.length === 16 ? `${text}:00` : text.slice(0, 19);
}

function read(kind, control) {
  if (kind === "flag") return control.checked;
  if (kind === "number") return control.value === "" ? null : Number(control.value);
  return kind === "wall time" ? withSeconds(control.value) : control.value;
}

function write(kind, control, value) {
  if (kind === "flag") control.checked = value === true;
  else if (String(read(kind, control)) !== String(value ?? "")) control.value = value ?? "";
}

function render({ model, el }) {
  const kind = model.get("kind");
  const id = `custdyn-${Math.random().toString(36).slice(2)}`;
  const { tag, ...attributes } = KINDS[kind];
  const control = element(tag, {
    id,
    "aria-describedby": `${id}-help ${id}-error`,
    "data-lm-suppress-shortcuts": "true", // otherwise, Lab handles keys: arrows leave the control
    ...attributes,
  });
  const label = element("label", { for: id });
  const error = element("p", { class: "custdyn-error", id: `${id}-error`, role: "alert" });
  const help = element("span", { id: `${id}-help`, hidden: "" });
  const field = element("div", { class: `custdyn-field custdyn-${kind.replace(" ", "-")}` });
  if (kind === "flag") {
    const line = element("div", { class: "custdyn-line" });
    line.append(control, label);
    field.append(line, help, error);
  } else field.append(label, control, help, error);
  el.replaceChildren(field);

  const show = () => {
    label.textContent = model.get("label");
    field.title = help.textContent = model.get("tooltip");
    control.disabled = model.get("disabled");
    if (kind === "number") {
      control.min = model.get("least");
      control.max = model.get("most");
    }
    error.textContent = model.get("error");
    control.setAttribute("aria-invalid", String(Boolean(model.get("error"))));
  };
  const showOptions = () => {
    if (kind !== "choice") return;
    control.replaceChildren(
      ...model.get("options").map(([value, text]) => element("option", { value }, text)),
    );
    control.value = model.get("value");
  };
  const showValue = () => write(kind, control, model.get("value"));
  const send = () => {
    model.set("value", read(kind, control));
    model.save_changes();
  };
  control.addEventListener("change", () => {
    if (!(kind === "wall time" && WAIT_FOR_YEAR.test(control.value))) send();
  });
  // A number is sent after a pause, so that Query is enabled before the mouse reaches it.
  let pause = 0;
  control.addEventListener("input", () => {
    clearTimeout(pause);
    if (kind === "number") pause = setTimeout(send, PAUSE);
  });
  control.addEventListener("blur", () => {
    if (kind === "wall time" && read(kind, control) !== model.get("value")) send();
  });

  // Lab suppresses Enter in fields of outputs.
  control.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing && read(kind, control) !== model.get("value")) send();
  });

  const listeners = { "change:options": showOptions, "change:value": showValue, change: show };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  showOptions();
  showValue();
  show();
  return () => {
    clearTimeout(pause);
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
  };
}

export default { render };
