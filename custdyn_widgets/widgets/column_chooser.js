// A button that opens a list of checkboxes, one for each group of columns. An empty choice means the default.

const ENOUGH_BELOW = 260; // pixels

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text nodes
  return made;
}

function render({ model, el }) {
  const id = `custdyn-${Math.random().toString(36).slice(2)}`;
  const own = { "data-lm-suppress-shortcuts": "true" }; // otherwise, Lab handles keys
  const label = element("label", { id: `${id}-label`, for: id });
  const opener = element("button", {
    id, type: "button", class: "custdyn-opener", "aria-expanded": "false", "aria-controls": `${id}-list`,
    "aria-labelledby": `${id}-label ${id}`, "aria-describedby": `${id}-help ${id}-error`, ...own,
  });
  const help = element("span", { id: `${id}-help`, hidden: "" });
  const error = element("p", { class: "custdyn-error", id: `${id}-error`, role: "alert" });
  const list = element("div", {
    id: `${id}-list`, class: "custdyn-popup custdyn-groups", popover: "auto", role: "group", "aria-labelledby": `${id}-label`,
  });
  const field = element("div", { class: "custdyn-field custdyn-columns" }, label, opener, list, help, error);
  el.replaceChildren(field);

  const groups = () => {
    const known = model.get("options").map(([value, name, columns, definitions, whyNot, usual]) => ({
      value, name, columns, definitions, whyNot, usual,
    }));
    const offered = new Set(known.map(({ value }) => value));
    const gone = model.get("value").filter((value) => !offered.has(value));
    return [...known, ...gone.map((value) => ({ value, name: value, columns: "Not available", definitions: "", whyNot: "" }))];
  };
  const usual = () => groups().filter((group) => group.usual).map(({ value }) => value);
  const chosen = () => {
    const possible = new Set(groups().filter(({ whyNot }) => !whyNot).map(({ value }) => value));
    const some = model.get("value").filter((value) => possible.has(value));
    return new Set(some.length ? some : usual());
  };
  const choose = (values) => {
    const order = groups().map(({ value }) => value).filter((value) => values.has(value));
    const isUsual = order.length === usual().length && usual().every((value) => values.has(value));
    model.set("value", isUsual ? [] : order);
    model.save_changes();
    show();
  };

  function item({ value, name, columns, definitions, whyNot }, i) {
    const box = element("input", { type: "checkbox", id: `${id}-${i}`, "aria-describedby": `${id}-${i}-about`, ...own });
    box.checked = chosen().has(value);
    box.disabled = Boolean(whyNot);
    box.addEventListener("change", () => {
      const values = chosen();
      if (box.checked) values.add(value);
      else values.delete(value);
      choose(values);
    });
    const about = element("span", { id: `${id}-${i}-about`, class: "custdyn-about" }, whyNot || columns);
    const text = element("span", {}, element("label", { for: `${id}-${i}` }, name), about);
    return element("div", { class: "custdyn-choice-line", title: definitions }, box, text);
  }

  // The boxes exist only while the list is open. Those that remain are not replaced, so that they keep the focus.
  let open = false;
  let drawn = "";
  function show() {
    label.textContent = model.get("label");
    field.title = help.textContent = model.get("tooltip");
    error.textContent = model.get("error");
    const all = groups();
    const now = open ? JSON.stringify(all) : "";
    if (!open) list.replaceChildren();
    else if (now !== drawn) list.replaceChildren(...all.map(item), reset);
    drawn = now;
    const values = chosen();
    list.querySelectorAll("input").forEach((box, i) => (box.checked = values.has(all[i].value)));
    const names = all.filter(({ value }) => values.has(value)).map(({ name }) => name);
    const some = model.get("value").some((value) => values.has(value));
    opener.textContent = !some ? "Default" : names.length > 2 ? `${names.length} groups` : names.join(", ");
    reset.disabled = !some;
  }
  const reset = element("button", { type: "button", class: "custdyn-button", ...own }, "Use the default");
  reset.addEventListener("click", () => (list.querySelector("input").focus(), choose(new Set(usual()))));

  function place(event) {
    if (event && list.contains(event.target)) return;
    const edge = opener.getBoundingClientRect();
    const below = window.innerHeight - edge.bottom;
    const above = below < ENOUGH_BELOW && edge.top > below;
    list.style.left = `${Math.max(8, Math.min(edge.left, window.innerWidth - list.offsetWidth - 8))}px`;
    list.style.maxHeight = `${Math.max(120, (above ? edge.top : below) - 12)}px`;
    list.style.top = above ? "auto" : `${edge.bottom + 2}px`;
    list.style.bottom = above ? `${window.innerHeight - edge.top + 2}px` : "auto";
  }
  const close = () => list.matches(":popover-open") && list.hidePopover();
  opener.popoverTargetElement = list;
  list.addEventListener("toggle", ({ newState }) => {
    open = newState === "open";
    show();
    opener.setAttribute("aria-expanded", String(open));
    (open ? addEventListener : removeEventListener)("scroll", place, true);
    if (!open) return;
    place();
    list.querySelector("input:not(:disabled)")?.focus();
  });
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
    opener.focus();
  });
  list.addEventListener("focusout", ({ relatedTarget: to }) => to && to !== opener && !list.contains(to) && close());

  model.on("change", show);
  show();
  return () => {
    model.off("change", show);
    removeEventListener("scroll", place, true);
  };
}

export default { render };
