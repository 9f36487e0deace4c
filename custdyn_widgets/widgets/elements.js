// Elements shared by several widgets: anywidget loads one module for each, so Python prepends this file to each.

const PAGE = Symbol.for("custdyn.page"); // the id of this page, set in download.js

// Lab handles keys unless the focused element says otherwise: D, D deletes a cell.
const TAKE_KEYS = ["A", "BUTTON", "INPUT", "SELECT"];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (TAKE_KEYS.includes(made.tagName) || "tabindex" in attributes) made.dataset.lmSuppressShortcuts = "true";
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text nodes, never markup
  return made;
}

function button(text, act, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

// Styles add the thousands separators, so that spreadsheets recognize copied numbers.
function number(text) {
  const [first, ...groups] = text.split(",");
  return [first, ...groups.map((group) => element("span", { class: "custdyn-thousands" }, group))];
}
