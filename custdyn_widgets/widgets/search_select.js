// A combobox that searches thousands of options as you type, without the kernel. It follows the ARIA APG pattern
// "Editable Combobox With List Autocomplete": the focus stays in the <input>, which never moves in the document,
// and aria-activedescendant identifies the active option.

const MAX_SHOWN = 100;
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" }; // otherwise, Lab handles keys: D, D deletes a cell
const LETTERS = { ł: "l", ø: "o", đ: "d", ð: "d", þ: "th", ß: "ss", æ: "ae", œ: "oe", ı: "i", ς: "σ" };
// The characters that text.printable replaces, for values without an option, which may not be printable.
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu;

function folded(text) {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[łøđðþßæœıς]/g, (letter) => LETTERS[letter])
    .replace(/[_\s]+/g, " ")
    .trim();
}

function rank(text, asked) {
  const at = text.indexOf(asked);
  if (at <= 0) return at;
  for (let from = at; from > 0; from = text.indexOf(asked, from + 1))
    if (!/[\p{L}\p{N}]/u.test(text[from - 1])) return 1;
  return 2;
}

// Matches are ordered by position: at the start, at the start of a word, anywhere.
function matching(options, texts, asked) {
  const ranked = [[], [], []];
  texts.forEach((text, i) => {
    const place = asked ? rank(text, asked) : 0;
    if (place >= 0) ranked[place].push(options[i]);
  });
  return ranked.flat();
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text nodes
  return made;
}

function build(id) {
  const label = element("label", { for: id, id: `${id}-label` });
  const chips = element("ul", { class: "custdyn-chips", "aria-labelledby": `${id}-label` });
  const input = element("input", {
    ...OWN_KEYS, id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-expanded": "false",
    "aria-autocomplete": "list", "aria-controls": `${id}-list`, "aria-describedby": `${id}-help ${id}-error`,
  });
  const box = element("div", { class: "custdyn-box" }, chips, input);
  const list = element("div", { id: `${id}-list`, role: "listbox", "aria-labelledby": `${id}-label` });
  const count = element("p", { class: "custdyn-count", "aria-hidden": "true" });
  const popup = element("div", { class: "custdyn-popup", popover: "manual" }, list, count);
  const help = element("span", { id: `${id}-help`, hidden: "" });
  const status = element("p", { class: "custdyn-unseen", role: "status" });
  const error = element("p", { class: "custdyn-error", id: `${id}-error`, role: "alert" });
  const field = element(
    "div",
    { class: "custdyn-field custdyn-search" },
    label, box, help, popup, status, error,
  );
  return { field, label, chips, input, box, help, list, count, popup, status, error };
}

function render({ model, el }) {
  const id = `custdyn-${Math.random().toString(36).slice(2)}`;
  const parts = build(id);
  const { field, label, chips, input, box, help, list, count, popup, status, error } = parts;
  popup.hidden = true;
  el.replaceChildren(field);

  let texts = []; // the options' folded labels
  let labels = new Map();
  let shown = []; // the options in the list, in order
  let active = -1;
  let open = false;
  let typed = false; // whether text has been typed since the list was opened; if not, it is not searched for

  const many = () => model.get("multiple");
  const chosen = () => model.get("value");
  const labelOf = (value) => labels.get(value) ?? value.replace(UNPRINTABLE, "\ufffd");
  const textOfValue = () => (many() || !chosen().length ? "" : labelOf(chosen()[0]));

  const earlier = []; // values before each of the user's choices, for undo
  let choosing = false;

  function put(values) {
    choosing = true;
    model.set("value", values);
    choosing = false;
    model.save_changes();
  }

  function choose(values) {
    if (many()) earlier.push(chosen());
    put(values);
  }

  function undo() {
    if (earlier.length) put(earlier.pop());
    else model.send({ undo: true });
  }

  function showOptions() {
    texts = model.get("options").map((option) => folded(option[1]));
    labels = new Map(model.get("options").map(([value, text]) => [value, text]));
    showValue();
  }

  function showValue() {
    if (!choosing) earlier.length = 0;
    chips.replaceChildren(...(many() ? chosen().map(chip) : []));
    if (!many() && !typed) input.value = textOfValue();
    if (open) showList();
    showTexts();
  }

  function chip(value) {
    const name = element("bdi", { title: labelOf(value) }, labelOf(value));
    const remove = element("button", { ...OWN_KEYS, type: "button", tabindex: "-1", title: "Remove" }, "×");
    remove.setAttribute("aria-label", `Remove ${labelOf(value)}`);
    remove.disabled = model.get("disabled");
    remove.addEventListener("click", () => {
      choose(chosen().filter((other) => other !== value));
      input.focus();
    });
    if (labels.has(value)) return element("li", {}, name, remove);
    return element("li", { class: "custdyn-missing" }, name, element("em", {}, "not in the data"), remove);
  }

  function showTexts() {
    label.textContent = model.get("label");
    field.title = help.textContent = model.get("tooltip");
    input.placeholder = chips.childElementCount ? "" : model.get("placeholder");
    input.disabled = model.get("disabled");
    error.textContent = model.get("error");
    input.setAttribute("aria-invalid", String(Boolean(model.get("error"))));
    if (many()) list.setAttribute("aria-multiselectable", "true");
  }

  function showList() {
    const found = matching(model.get("options"), texts, typed ? folded(input.value) : "");
    shown = found.slice(0, MAX_SHOWN);
    const groups = new Map();
    shown.forEach((option, i) => {
      const group = option[2] ?? "";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(listed(option, i));
    });
    list.replaceChildren();
    for (const [name, items] of groups) {
      if (!name) list.append(...items);
      else {
        const heading = element("div", { class: "custdyn-group", "aria-hidden": "true" }, name);
        list.append(element("div", { role: "group", "aria-label": name }, heading, ...items));
      }
    }
    count.textContent = counted(found.length);
    status.textContent = count.textContent;
    activate(Math.min(active, shown.length - 1));
  }

  function counted(all) {
    if (!all) return "No match";
    const words = `${all.toLocaleString("en")} ${typed ? (all === 1 ? "match" : "matches") : "in total"}`;
    return all > MAX_SHOWN ? `${words}; the first ${MAX_SHOWN} are shown` : words;
  }

  function listed(option, i) {
    const selected = String(chosen().includes(option[0]));
    const item = element("div", { role: "option", id: `${id}-${i}`, "aria-selected": selected });
    item.append(element("bdi", { title: option[1] }, option[1]));
    item.addEventListener("click", () => pick(i));
    item.addEventListener("mousemove", () => active !== i && activate(i));
    return item;
  }

  function activate(i) {
    document.getElementById(`${id}-${active}`)?.classList.remove("custdyn-active");
    active = shown.length ? i : -1;
    const item = document.getElementById(`${id}-${active}`);
    if (item) {
      item.classList.add("custdyn-active");
      item.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", item.id);
    } else input.removeAttribute("aria-activedescendant");
  }

  function pick(i) {
    const [value] = shown[i];
    if (typed) active = -1;
    typed = false;
    input.value = "";
    if (!many()) {
      close();
      choose([value]);
      input.value = textOfValue();
      return;
    }
    const others = chosen().filter((other) => other !== value);
    choose(others.length < chosen().length ? others : [...others, value]);
  }

  function show() {
    if (open || input.disabled) return;
    open = true;
    popup.hidden = false;
    popup.showPopover?.();
    input.setAttribute("aria-expanded", "true");
    active = -1;
    showList();
    place();
    document.addEventListener("scroll", place, true);
    window.addEventListener("resize", place);
  }

  function close() {
    document.removeEventListener("scroll", place, true);
    window.removeEventListener("resize", place);
    if (!open) return;
    open = false;
    activate(-1);
    status.textContent = "";
    if (popup.isConnected) popup.hidePopover?.();
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }

  // The list is in the top layer, so that no output area cuts it off, and either below or above the box.
  function place(event) {
    if (event && popup.contains(event.target)) return;
    const edge = box.getBoundingClientRect();
    const below = window.innerHeight - edge.bottom;
    const above = below < 180 && edge.top > below;
    popup.style.left = `${edge.left}px`;
    popup.style.width = `${Math.max(edge.width, 200)}px`;
    popup.style.maxHeight = `${Math.min(320, Math.max(120, (above ? edge.top : below) - 8))}px`;
    popup.style.top = above ? "auto" : `${edge.bottom + 2}px`;
    popup.style.bottom = above ? `${window.innerHeight - edge.top + 2}px` : "auto";
  }

  // Text that was typed but not chosen is discarded if several values can be chosen; otherwise, it becomes the value.
  function leave() {
    close();
    const text = input.value.trim();
    const unchanged = !typed || many();
    typed = false;
    if (unchanged) input.value = textOfValue();
    else {
      const same = model.get("options").find((option, i) => texts[i] === folded(text));
      choose(same ? [same[0]] : text ? [text] : []);
      input.value = textOfValue();
    }
  }

  const KEYS = {
    ArrowDown: () => (open ? activate((active + 1) % shown.length) : (show(), activate(0))),
    ArrowUp: () => (open ? activate((active <= 0 ? shown.length : active) - 1) : (show(), activate(shown.length - 1))),
    Home: () => open && active >= 0 && (activate(0), true),
    End: () => open && active >= 0 && (activate(shown.length - 1), true),
    Enter: () => open && active >= 0 && pick(active),
    Tab: () => (close(), false), // before the browser moves the focus, which could go to the list
    Escape: () => {
      close();
      typed = false;
      input.value = textOfValue();
    },
    Backspace: () => !input.value && many() && chosen().length > 0 && choose(chosen().slice(0, -1)),
    ArrowLeft: () => input.selectionEnd === 0 && chips.lastElementChild?.querySelector("button").focus(),
  };
  const KEEP = new Set(["Backspace", "ArrowLeft"]);

  input.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !input.value) {
      event.preventDefault(); // text being typed has its own undo
      return undo();
    }
    const act = KEYS[event.key];
    if (!act || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (act() !== false && !KEEP.has(event.key)) event.preventDefault();
  });
  input.addEventListener("input", () => {
    typed = true;
    show();
    active = input.value ? 0 : -1;
    showList();
  });
  input.addEventListener("click", show);
  input.addEventListener("focus", () => !many() && input.select());
  input.addEventListener("blur", leave);
  box.addEventListener("click", (event) => event.target !== input && !event.target.closest("button") && input.focus());
  popup.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the input

  chips.addEventListener("keydown", (event) => {
    const at = [...chips.children].indexOf(event.target.closest("li"));
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
    if (next !== undefined) (chips.children[Math.max(next, 0)]?.querySelector("button") ?? input).focus();
    else if (event.key === "Delete" || event.key === "Backspace") event.target.click();
    else return;
    event.preventDefault();
  });

  function takeFocus() {
    if (!model.get("wants_focus")) return;
    if (!input.isConnected) return void requestAnimationFrame(takeFocus);
    input.focus();
    model.set("wants_focus", false);
    model.save_changes();
  }

  const listeners = {
    "change:options": showOptions,
    "change:value": showValue,
    "change:wants_focus": takeFocus,
    change: showTexts,
  };
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  showOptions();
  takeFocus();
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
    close();
  };
}

export default { render };
